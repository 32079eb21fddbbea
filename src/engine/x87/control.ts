import { C1, EXCEPTIONS, SF } from "./context.ts";
import type { Execution } from "./execution.ts";
import * as images from "./images.ts";
import { OPERAND } from "./layout.ts";

const WORD = OPERAND >> 2;

/** Instructions that work on the control, status and tag words, and on the whole state. */
export class Control {
  readonly #execution: Execution;

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** FFREE, FFREEP. */
  free(i: number, pop: boolean): number {
    const { state } = this.#execution;
    state.free(i);
    if (pop) state.pop();
    state.status &= ~C1;
    return 0;
  }

  /** FINCSTP, FDECSTP. */
  rotate(by: number): number {
    const { state } = this.#execution;
    state.top += by;
    state.status &= ~C1;
    return 0;
  }

  /** FNOP, and what switched interrupts and protection on the 8087 and 80287. */
  nothing(): number {
    return 0;
  }

  /** FNCLEX. */
  clearExceptions(): number {
    this.#execution.state.status &= ~(EXCEPTIONS | SF);
    return 0;
  }

  /** FNINIT. */
  initialize(): number {
    this.#execution.state.initialize();
    return 0;
  }

  /** FLDCW. */
  loadControl(): number {
    const { state } = this.#execution;
    state.control = state.words[WORD] & 0xffff;
    return 0;
  }

  /** FNSTCW. */
  storeControl(): number {
    const { state } = this.#execution;
    state.words[WORD] = state.control;
    return this.#execution.announce(2, "nothing");
  }

  /** FNSTSW. */
  storeStatus(): number {
    const { state } = this.#execution;
    state.words[WORD] = state.status;
    return this.#execution.announce(2, "nothing");
  }

  /** FLDENV. */
  loadEnvironment(format: images.ImageFormat): number {
    images.loadEnvironment(this.#execution.state, format);
    return 0;
  }

  /** FNSTENV, which masks all exceptions behind it. */
  storeEnvironment(format: images.ImageFormat): number {
    images.storeEnvironment(this.#execution.state, format);
    return this.#execution.announce(images.environmentBytes(format), "mask");
  }

  /** FRSTOR. */
  loadState(format: images.ImageFormat): number {
    images.loadState(this.#execution.state, format);
    return 0;
  }

  /** FNSAVE, which initializes behind it. */
  storeState(format: images.ImageFormat): number {
    images.storeState(this.#execution.state, format);
    return this.#execution.announce(images.stateBytes(format), "initialize");
  }
}

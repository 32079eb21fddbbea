import { C1, Context, EXCEPTIONS, IE, SF } from "./context.ts";
import type { Float80 } from "./float80.ts";
import type { X87State } from "./state.ts";

/** What `commit` has left to do once a result is in memory. */
export type Commitment = "store" | "initialize" | "mask" | "nothing";

/** The instruction at hand: what every group of instructions needs to run one. */
export class Execution {
  readonly state: X87State;
  readonly context = new Context();
  #commitment: Commitment = "nothing";
  #pops = 0;

  constructor(state: X87State) {
    this.state = state;
  }

  begin(): Context {
    const { context } = this;
    context.control = this.state.control;
    context.raised = 0;
    return context;
  }

  /** An operand register is empty: a stack fault, C1 = 0, masked answer in `out`. */
  underflow(out: Float80): void {
    this.context.raised |= IE | SF;
    out.setIndefinite();
  }

  /** The register to be pushed is not empty: a stack fault, C1 = 1. */
  overflow(out: Float80): void {
    this.context.raised |= IE | SF | C1;
    out.setIndefinite();
  }

  /** Ends an instruction that stores nothing in memory. `replaced`: the condition codes it defines. */
  finish(replaced: number): 0 {
    this.state.raise(this.context, replaced);
    return 0;
  }

  /** Ends one that does: what else it changes waits for {@link commit}. */
  announce(bytes: number, commitment: Commitment, pops = 0): number {
    this.#commitment = commitment;
    this.#pops = pops;
    return bytes;
  }

  commit(): void {
    const { state } = this;
    switch (this.#commitment) {
      case "store":
        state.raise(this.context, C1);
        for (; this.#pops > 0; this.#pops--) state.pop();
        break;
      case "initialize":
        state.initialize();
        break;
      case "mask":
        state.control |= EXCEPTIONS;
        break;
    }
    this.#commitment = "nothing";
  }
}

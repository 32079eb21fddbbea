import { Arithmetic } from "./arithmetic.ts";
import { Comparison } from "./comparison.ts";
import { ES } from "./context.ts";
import { Control } from "./control.ts";
import { Execution } from "./execution.ts";
import * as images from "./images.ts";
import type { X87Row } from "./row.ts";
import { X87State } from "./state.ts";
import { Transfer } from "./transfer.ts";

/**
 * The x87 FPU over a window of memory (layout.ts). Memory operands pass through the
 * window's operand scratch, byte for byte as they stand in guest memory.
 *
 * For every instruction: find its row, raise #MF instead if the row waits and an
 * exception is pending, fill the scratch if the row loads, `execute`. That returns how
 * many bytes of the scratch are to be stored. If not 0, nothing in the FPU has changed
 * yet (but for a stored image nothing ever will): the caller stores them, or sets AX
 * for FNSTSW AX, and then calls `commit`. If the store faults, it does not.
 */
export class X87 {
  readonly state: X87State;
  readonly arithmetic: Arithmetic;
  readonly comparison: Comparison;
  readonly transfer: Transfer;
  readonly control: Control;
  readonly #execution: Execution;

  /** @param byteOffset of the window, multiple of 16 */
  constructor(buffer: ArrayBufferLike, byteOffset: number) {
    this.state = new X87State(buffer, byteOffset);
    this.#execution = new Execution(this.state);
    this.arithmetic = new Arithmetic(this.#execution);
    this.comparison = new Comparison(this.#execution);
    this.transfer = new Transfer(this.#execution);
    this.control = new Control(this.#execution);
  }

  /** Whether a waiting instruction (`row.waits`, WAIT, MMX) raises #MF instead of executing. */
  pendingException(): boolean {
    return (this.state.status & ES) !== 0;
  }

  /**
   * @param format of FLDENV, FSTENV, FSAVE and FRSTOR images, by mode and operand size
   * @returns bytes of the scratch to store, 0 if none
   */
  execute(row: X87Row, format: images.ImageFormat = "protected-32"): number {
    return row.run(this, row.index, format);
  }

  /** The bytes that `execute` announced are stored: raise what the store raised, pop. */
  commit(): void {
    this.#execution.commit();
  }

  /** FXSAVE's first 160 bytes into the scratch, less MXCSR (bytes 24..31). @param wide REX.W */
  storeExtended(wide: boolean): void {
    images.storeExtended(this.state, wide);
  }

  /** FXRSTOR from the first 160 bytes in the scratch. @param wide REX.W */
  loadExtended(wide: boolean): void {
    images.loadExtended(this.state, wide);
  }

  /** What every MMX instruction but EMMS does to the stack: TOP = 0, no register empty. */
  enterMmx(): void {
    this.state.top = 0;
    this.state.tags = 0xff;
  }

  /** EMMS. */
  emms(): void {
    this.state.tags = 0;
  }
}

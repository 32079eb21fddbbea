import { type Constant, setConstant } from "./constants.ts";
import { C1, IE, SF } from "./context.ts";
import { loadFloat } from "./convert-float.ts";
import type { Execution } from "./execution.ts";
import { Float80 } from "./float80.ts";
import { EFLAGS } from "./layout.ts";
import type { Reader, Writer } from "./operand.ts";

const FLAGS = EFLAGS >> 2;

/** Instructions that load, store and move. */
export class Transfer {
  readonly #execution: Execution;
  readonly #x = new Float80();
  readonly #y = new Float80();

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** FILD, FBLD and FLD of 80 bits, which raise nothing but a stack fault. */
  load(read: Reader): number {
    const execution = this.#execution;
    execution.begin();
    if (!execution.state.isEmpty(7)) execution.overflow(this.#x);
    else read(execution.state.words, this.#x);
    return this.#push();
  }

  /** FLD of single or double precision. */
  loadFloat(read: Reader): number {
    const execution = this.#execution;
    const context = execution.begin();
    if (!execution.state.isEmpty(7)) execution.overflow(this.#x);
    else loadFloat(context, this.#x, read(execution.state.words, this.#x));
    return this.#push();
  }

  /** FLD ST(i). */
  loadRegister(i: number): number {
    const execution = this.#execution;
    execution.begin();
    if (execution.state.isEmpty(i)) execution.underflow(this.#x);
    else if (!execution.state.isEmpty(7)) execution.overflow(this.#x);
    else execution.state.read(i, this.#x);
    return this.#push();
  }

  /** FLD1, FLDPI and so on. */
  loadConstant(constant: Constant): number {
    const execution = this.#execution;
    const context = execution.begin();
    if (!execution.state.isEmpty(7)) execution.overflow(this.#x);
    else setConstant(context, this.#x, constant);
    return this.#push();
  }

  #push(): number {
    const { context, state } = this.#execution;
    // an unmasked denormal exception does not keep a load from its register
    if ((context.raised & ~context.control & IE) === 0) state.push(this.#x);
    return this.#execution.finish(C1);
  }

  /** FST, FIST, FBSTP into the scratch. @param bytes of the operand */
  store(write: Writer, bytes: number, pops: number): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0)) execution.underflow(this.#x);
    else state.read(0, this.#x);
    const storable = !context.stopped && write(context, state.words, this.#x);
    if (!storable || context.stopped) return execution.finish(C1);
    return execution.announce(bytes, "store", pops);
  }

  /** FST ST(i), FSTP ST(i). */
  storeRegister(i: number, pop: boolean): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0)) execution.underflow(this.#x);
    else state.read(0, this.#x);
    if (!context.stopped) {
      state.write(i, this.#x);
      if (pop) state.pop();
    }
    return execution.finish(C1);
  }

  /** The undocumented double D9 D8+i: FSTP ST(i) that knows no stack fault and only pops then. */
  storeRegisterUnchecked(i: number): number {
    const { state } = this.#execution;
    if (!state.isEmpty(0)) return this.storeRegister(i, true);
    this.#execution.begin();
    state.pop();
    return this.#execution.finish(C1);
  }

  /** FXCH. */
  exchange(i: number): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0)) execution.underflow(this.#x);
    else state.read(0, this.#x);
    if (state.isEmpty(i)) execution.underflow(this.#y);
    else state.read(i, this.#y);
    if (!context.stopped) {
      state.write(0, this.#y);
      state.write(i, this.#x);
    }
    return execution.finish(C1);
  }

  /** FCMOVcc: ST(0) = ST(i) if any of these EFLAGS bits is set, or none. */
  moveIf(i: number, flags: number, set: boolean): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0) || state.isEmpty(i)) {
      execution.underflow(this.#x);
      if (!context.stopped) state.write(0, this.#x);
    } else if (((state.words[FLAGS] & flags) !== 0) === set) {
      state.read(i, this.#x);
      state.write(0, this.#x);
    }
    // C1 changes by a stack fault only
    return execution.finish((context.raised & SF) !== 0 ? C1 : 0);
  }
}

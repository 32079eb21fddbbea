import { raiseDenormal } from "./arithmetic.ts";
import { compare, UNORDERED } from "./compare.ts";
import { C0, C1, C2, C3, SF } from "./context.ts";
import type { Execution } from "./execution.ts";
import { classify, Float80, INFINITY, NORMAL, QNAN, SIGN, UNSUPPORTED, ZERO } from "./float80.ts";
import { EFLAGS } from "./layout.ts";
import type { Reader } from "./operand.ts";

const CONDITION_CODES = C0 | C1 | C2 | C3;
const FLAGS = EFLAGS >> 2;
/** OF, SF, ZF, AF, PF, CF: what FCOMI writes, and clears but for ZF, PF and CF. */
const ARITHMETIC_FLAGS = 0x8d5;

/**
 * Instructions that compare and examine. An unmasked exception keeps the operands on the
 * stack, but the result is there all the same, as AMD's silicon has it (Intel's manual
 * leaves the codes alone then).
 */
export class Comparison {
  readonly #execution: Execution;
  readonly #a = new Float80();
  readonly #b = new Float80();
  readonly #plusZero = new Float80();

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** FCOM, and FUCOM (`quiet`): ST(0) with ST(i). */
  registers(i: number, quiet: boolean, pops: number): number {
    this.#execution.begin();
    return this.#finish(this.#compare(i, quiet), pops);
  }

  /** FCOM, FICOM: ST(0) with memory. */
  withMemory(read: Reader, pops: number): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    let result = UNORDERED;
    if (state.isEmpty(0)) {
      execution.underflow(this.#a);
    } else {
      const denormal = read(state.words, this.#b);
      state.read(0, this.#a);
      result = compare(context, this.#a, this.#b, false);
      if (denormal) raiseDenormal(context, result === UNORDERED);
    }
    return this.#finish(result, pops);
  }

  /** FTST: ST(0) with zero. */
  withZero(): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    let result = UNORDERED;
    if (state.isEmpty(0)) {
      execution.underflow(this.#a);
    } else {
      state.read(0, this.#a);
      result = compare(context, this.#a, this.#plusZero, false);
    }
    return this.#finish(result, 0);
  }

  /** FCOMI, FUCOMI: the result goes to ZF, PF and CF; C1 changes by a stack fault only. */
  toFlags(i: number, quiet: boolean, pop: boolean): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    const result = this.#compare(i, quiet);
    // C0, C2, C3 stand over CF, PF, ZF
    state.words[FLAGS] = (state.words[FLAGS] & ~ARITHMETIC_FLAGS) | (result >> 8);
    if (pop && !context.stopped) state.pop();
    return execution.finish((context.raised & SF) !== 0 ? C1 : 0);
  }

  /** FXAM: class in C3, C2, C0, sign in C1; no exception. */
  examine(): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    state.read(0, this.#a);
    const sign = (this.#a.signExponent & SIGN) !== 0 ? C1 : 0;
    context.raised = sign | (state.isEmpty(0) ? C3 | C0 : examined(classify(this.#a)));
    return execution.finish(CONDITION_CODES);
  }

  #compare(i: number, quiet: boolean): number {
    const { state, context } = this.#execution;
    if (state.isEmpty(0) || state.isEmpty(i)) {
      this.#execution.underflow(this.#a);
      return UNORDERED;
    }
    state.read(0, this.#a);
    state.read(i, this.#b);
    return compare(context, this.#a, this.#b, quiet);
  }

  #finish(result: number, pops: number): number {
    const execution = this.#execution;
    if (!execution.context.stopped) for (; pops > 0; pops--) execution.state.pop();
    execution.context.raised |= result;
    return execution.finish(CONDITION_CODES);
  }
}

function examined(kind: number): number {
  switch (kind) {
    case UNSUPPORTED:
      return 0;
    case NORMAL:
      return C2;
    case INFINITY:
      return C2 | C0;
    case ZERO:
      return C3;
    default:
      return kind >= QNAN ? C0 : C3 | C2;
  }
}

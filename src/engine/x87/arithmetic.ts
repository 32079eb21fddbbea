import { C0, C1, C2, C3, type Context, DE, IE, ZE } from "./context.ts";
import type { Execution } from "./execution.ts";
import { classify, Float80, QNAN } from "./float80.ts";
import type { Reader } from "./operand.ts";

/** out = a op b; `out` may be either. */
export type BinaryOperation = (context: Context, out: Float80, a: Float80, b: Float80) => void;
/** out = op a; `out` may be `a`. */
export type UnaryOperation = (context: Context, out: Float80, a: Float80) => void;
/** The same, but false (C2) if `a` is out of range. */
export type TrigonometricOperation = (context: Context, out: Float80, a: Float80) => boolean;
/** Two results, the second to be pushed; false (C2) if `a` is out of range. */
export type PushingOperation = (
  context: Context,
  first: Float80,
  pushed: Float80,
  a: Float80,
) => boolean;

/**
 * A denormal single or double becomes a normal number of 80 bits, so that the operation
 * itself raises no DE. It is raised here, behind invalid operands, NaNs and a zero divisor.
 * @param answered a NaN or an unordered result
 */
export function raiseDenormal(context: Context, answered: boolean): void {
  if (answered || (context.raised & (IE | ZE)) !== 0) return;
  if ((context.control & DE) !== 0) context.raised |= DE;
  else context.raised = DE;
}

/** Instructions that compute: one method for each shape of operands and result. */
export class Arithmetic {
  readonly #execution: Execution;
  readonly #a = new Float80();
  readonly #b = new Float80();
  readonly #out = new Float80();

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** ST(destination) = ST(left) op ST(right), then a pop if wanted. */
  binary(
    operation: BinaryOperation,
    destination: number,
    left: number,
    right: number,
    pop: boolean,
  ): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    const out = this.#out;
    if (state.isEmpty(left) || state.isEmpty(right)) {
      execution.underflow(out);
    } else {
      state.read(left, this.#a);
      state.read(right, this.#b);
      operation(context, out, this.#a, this.#b);
    }
    if (!context.stopped) {
      state.write(destination, out);
      if (pop) state.pop();
    }
    return execution.finish(C1);
  }

  /** ST(0) = ST(0) op memory, or memory op ST(0). */
  withMemory(operation: BinaryOperation, read: Reader, reversed: boolean): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    const out = this.#out;
    if (state.isEmpty(0)) {
      execution.underflow(out);
    } else {
      const denormal = read(state.words, this.#b);
      state.read(0, this.#a);
      if (reversed) operation(context, out, this.#b, this.#a);
      else operation(context, out, this.#a, this.#b);
      if (denormal) raiseDenormal(context, classify(out) >= QNAN);
    }
    if (!context.stopped) state.write(0, out);
    return execution.finish(C1);
  }

  /** ST(0) = op ST(0). */
  unary(operation: UnaryOperation): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0)) {
      execution.underflow(this.#out);
    } else {
      state.read(0, this.#a);
      operation(context, this.#out, this.#a);
    }
    if (!context.stopped) state.write(0, this.#out);
    return execution.finish(C1);
  }

  /** FSIN, FCOS: C2, and ST(0) as it was, if it is out of range. */
  trigonometric(operation: TrigonometricOperation): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    let inRange = true;
    if (state.isEmpty(0)) {
      execution.underflow(this.#out);
    } else {
      state.read(0, this.#a);
      inRange = operation(context, this.#out, this.#a);
    }
    if (!inRange) context.raised |= C2;
    else if (!context.stopped) state.write(0, this.#out);
    return execution.finish(C1 | C2);
  }

  /** FSINCOS, FPTAN, FXTRACT. @param replaced the condition codes it defines */
  pushing(operation: PushingOperation, replaced: number): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    const first = this.#out;
    const pushed = this.#b;
    let inRange = true;
    if (state.isEmpty(0)) {
      execution.underflow(first);
      pushed.setIndefinite();
    } else if (!state.isEmpty(7)) {
      execution.overflow(first);
      pushed.setIndefinite();
    } else {
      state.read(0, this.#a);
      inRange = operation(context, first, pushed, this.#a);
    }
    if (!inRange) {
      context.raised |= C2;
    } else if (!context.stopped) {
      state.write(0, first);
      state.push(pushed);
    }
    return execution.finish(replaced);
  }

  /** FPREM, FPREM1: ST(0) = ST(0) rem ST(1), the quotient's low bits in C0, C3, C1. */
  remainder(operation: BinaryOperation): number {
    const { state, context } = this.#execution;
    state.status &= ~C2;
    this.binary(operation, 0, 0, 1, false);
    // without a quotient C0 and C3 stay as they were
    if (context.stopped || classify(this.#out) >= QNAN) return 0;
    state.status = (state.status & ~(C0 | C3)) | (context.raised & (C0 | C3));
    return 0;
  }

  /** FCHS (`flip` only), FABS (`clear` only); any class of number. */
  sign(clear: number, flip: number): number {
    const execution = this.#execution;
    const { state } = execution;
    const context = execution.begin();
    if (state.isEmpty(0)) {
      execution.underflow(this.#out);
    } else {
      state.read(0, this.#out);
      this.#out.signExponent = (this.#out.signExponent & ~clear) ^ flip;
    }
    if (!context.stopped) state.write(0, this.#out);
    return execution.finish(C1);
  }
}

import { compare, UNORDERED } from "./compare.ts";
import { type Constant, setConstant } from "./constants.ts";
import {
  C0,
  C1,
  C2,
  C3,
  Context,
  DE,
  ES,
  EXCEPTIONS,
  IE,
  SF,
  ZE,
} from "./context.ts";
import { loadFloat } from "./convert-float.ts";
import { classify, DENORMAL, Float80, INFINITY, NORMAL, QNAN, SIGN, UNSUPPORTED, ZERO } from "./float80.ts";
import * as images from "./images.ts";
import { EFLAGS, OPERAND } from "./layout.ts";
import type { Reader, Writer } from "./operand.ts";
import { X87State } from "./state.ts";
import type { X87Row } from "./table.ts";

/** out = a op b; `out` may be either. */
export type BinaryOperation = (context: Context, out: Float80, a: Float80, b: Float80) => void;
/** out = op a; `out` may be `a`. */
export type UnaryOperation = (context: Context, out: Float80, a: Float80) => void;
/** Two results of one operand, the second to be pushed; false (C2) if it is out of range. */
export type PushingOperation = (
  context: Context,
  first: Float80,
  pushed: Float80,
  a: Float80,
) => boolean;

const CONDITION_CODES = C0 | C1 | C2 | C3;
const LO = OPERAND >> 2;
const FLAGS = EFLAGS >> 2;
const CF = 0x01;
const PF = 0x04;
const ZF = 0x40;
/** OF, SF, ZF, AF, PF, CF: what FCOMI writes. */
const ARITHMETIC_FLAGS = 0x8d5;

const plusZero = new Float80();

/**
 * The x87 FPU: every instruction over an {@link X87State}. Memory operands pass
 * through the window's operand scratch as they stand in memory.
 *
 * `execute` returns how many bytes of the scratch the caller has to store. If that is
 * not 0, nothing in the FPU has changed yet: the caller stores them (or, for
 * FNSTSW AX, sets AX) and then calls `commit`; if the store faults it does not.
 */
export class X87 {
  readonly state: X87State;
  readonly #context = new Context();
  readonly #a = new Float80();
  readonly #b = new Float80();
  readonly #out = new Float80();
  #uncommitted: "store" | "initialize" | "mask" | "nothing" = "nothing";
  #pops = 0;

  /** @param byteOffset of a window (layout.ts), multiple of 16 */
  constructor(buffer: ArrayBufferLike, byteOffset: number) {
    this.state = new X87State(buffer, byteOffset);
  }

  /** Whether a waiting instruction (`row.waits`) raises #MF instead of executing. */
  pendingException(): boolean {
    return (this.state.status & ES) !== 0;
  }

  /**
   * Executes one instruction whose memory operand, if it loads one, is in the scratch.
   * @param format of FLDENV, FSTENV, FSAVE, FRSTOR images
   */
  execute(row: X87Row, format: images.ImageFormat = "protected-32"): number {
    return row.run(this, row.index, format);
  }

  /** The bytes that `execute` announced are stored: pop, and raise what the store raised. */
  commit(): void {
    const { state } = this;
    switch (this.#uncommitted) {
      case "store":
        state.raise(this.#context, C1);
        for (; this.#pops > 0; this.#pops--) state.pop();
        break;
      case "initialize":
        state.initialize();
        break;
      case "mask":
        state.control |= EXCEPTIONS;
        break;
    }
    this.#uncommitted = "nothing";
  }

  /** Before any MMX instruction but EMMS: TOP = 0, no register empty. */
  enterMmx(): void {
    this.state.top = 0;
    this.state.tags = 0xff;
  }

  emms(): void {
    this.state.tags = 0;
  }

  // --- arithmetic -----------------------------------------------------------------

  /** ST(destination) = ST(left) op ST(right), then a pop if wanted. */
  arithmetic(
    operation: BinaryOperation,
    destination: number,
    left: number,
    right: number,
    pop: boolean,
  ): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(left) || state.isEmpty(right)) {
      this.#underflow();
    } else {
      state.read(left, this.#a);
      state.read(right, this.#b);
      operation(context, this.#out, this.#a, this.#b);
    }
    if (!context.stopped) {
      state.write(destination, this.#out);
      if (pop) state.pop();
    }
    state.raise(context, C1);
    return 0;
  }

  /** FPREM, FPREM1: ST(0) = ST(0) rem ST(1), the quotient's low bits in C0, C3, C1. */
  remainder(operation: BinaryOperation): number {
    this.state.status &= ~C2;
    this.arithmetic(operation, 0, 0, 1, false);
    // without a quotient C0 and C3 stay as they were
    const context = this.#context;
    if (context.stopped || classify(this.#out) >= QNAN) return 0;
    this.state.status = (this.state.status & ~(C0 | C3)) | (context.raised & (C0 | C3));
    return 0;
  }

  /** ST(0) = ST(0) op memory, or memory op ST(0). */
  arithmeticMemory(operation: BinaryOperation, read: Reader, reversed: boolean): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      const denormal = read(state.words, this.#b);
      state.read(0, this.#a);
      if (reversed) operation(context, this.#out, this.#b, this.#a);
      else operation(context, this.#out, this.#a, this.#b);
      if (denormal) this.#denormalOperand(classify(this.#out) >= QNAN);
    }
    if (!context.stopped) state.write(0, this.#out);
    state.raise(context, C1);
    return 0;
  }

  /** ST(0) = op ST(0). */
  unary(operation: UnaryOperation): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      state.read(0, this.#a);
      operation(context, this.#out, this.#a);
    }
    if (!context.stopped) state.write(0, this.#out);
    state.raise(context, C1);
    return 0;
  }

  /** FSIN, FCOS: C2, and ST(0) as it was, if it is out of range. */
  trigonometric(operation: (context: Context, out: Float80, a: Float80) => boolean): number {
    const { state } = this;
    const context = this.#begin();
    let inRange = true;
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      state.read(0, this.#a);
      inRange = operation(context, this.#out, this.#a);
    }
    if (!inRange) context.raised |= C2;
    else if (!context.stopped) state.write(0, this.#out);
    state.raise(context, C1 | C2);
    return 0;
  }

  /** FSINCOS, FPTAN, FXTRACT. */
  pushing(operation: PushingOperation, replaced: number): number {
    const { state } = this;
    const context = this.#begin();
    let inRange = true;
    if (state.isEmpty(0) || !state.isEmpty(7)) {
      this.#underflow();
      if (!state.isEmpty(0)) context.raised |= C1;
      this.#b.setIndefinite();
    } else {
      state.read(0, this.#a);
      inRange = operation(context, this.#out, this.#b, this.#a);
    }
    if (!inRange) {
      context.raised |= C2;
    } else if (!context.stopped) {
      state.write(0, this.#out);
      state.push(this.#b);
    }
    state.raise(context, replaced);
    return 0;
  }

  /** FCHS (`flip` only), FABS (`clear` only). */
  sign(clear: number, flip: number): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      state.read(0, this.#out);
      this.#out.signExponent = (this.#out.signExponent & ~clear) ^ flip;
    }
    if (!context.stopped) state.write(0, this.#out);
    state.raise(context, C1);
    return 0;
  }

  // --- comparison -----------------------------------------------------------------

  /** FCOM, FUCOM and their pops. */
  compare(i: number, quiet: boolean, pops: number): number {
    const { state } = this;
    const context = this.#begin();
    let result = UNORDERED;
    if (state.isEmpty(0) || state.isEmpty(i)) {
      this.#underflow();
    } else {
      state.read(0, this.#a);
      state.read(i, this.#b);
      result = compare(context, this.#a, this.#b, quiet);
    }
    return this.#compared(result, pops);
  }

  /** FCOM, FICOM with memory. */
  compareMemory(read: Reader, pops: number): number {
    const { state } = this;
    const context = this.#begin();
    let result = UNORDERED;
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      const denormal = read(state.words, this.#b);
      state.read(0, this.#a);
      result = compare(context, this.#a, this.#b, false);
      if (denormal) this.#denormalOperand(result === UNORDERED);
    }
    return this.#compared(result, pops);
  }

  /** FTST. */
  test(): number {
    const { state } = this;
    const context = this.#begin();
    let result = UNORDERED;
    if (state.isEmpty(0)) {
      this.#underflow();
    } else {
      state.read(0, this.#a);
      result = compare(context, this.#a, plusZero, false);
    }
    return this.#compared(result, 0);
  }

  #compared(result: number, pops: number): number {
    const { state } = this;
    const context = this.#context;
    // an unmasked exception keeps the operands on the stack, but silicon sets the codes all the same
    if (!context.stopped) for (; pops > 0; pops--) state.pop();
    context.raised |= result;
    state.raise(context, CONDITION_CODES);
    return 0;
  }

  /** FCOMI, FUCOMI: the result goes to ZF, PF and CF. */
  compareToFlags(i: number, quiet: boolean, pop: boolean): number {
    const { state } = this;
    const context = this.#begin();
    let result = UNORDERED;
    if (state.isEmpty(0) || state.isEmpty(i)) {
      this.#underflow();
    } else {
      state.read(0, this.#a);
      state.read(i, this.#b);
      result = compare(context, this.#a, this.#b, quiet);
    }
    // C0, C2, C3 stand over CF, PF, ZF
    state.words[FLAGS] = (state.words[FLAGS] & ~ARITHMETIC_FLAGS) | (result >> 8);
    if (pop && !context.stopped) state.pop();
    state.raise(context, stackFaultOnly(context));
    return 0;
  }

  /** FXAM: class in C3, C2, C0, sign in C1. */
  examine(): number {
    const { state } = this;
    const context = this.#begin();
    state.read(0, this.#a);
    context.raised = (this.#a.signExponent & SIGN) !== 0 ? C1 : 0;
    if (state.isEmpty(0)) {
      context.raised |= C3 | C0;
    } else {
      const kind = classify(this.#a);
      if (kind === NORMAL) context.raised |= C2;
      else if (kind === ZERO) context.raised |= C3;
      else if (kind === INFINITY) context.raised |= C2 | C0;
      else if (kind === UNSUPPORTED) context.raised |= 0;
      else if (kind >= QNAN) context.raised |= C0;
      else if (kind >= DENORMAL) context.raised |= C3 | C2;
    }
    state.raise(context, CONDITION_CODES);
    return 0;
  }

  // --- loads and stores -----------------------------------------------------------

  /** FILD, FBLD and FLD of 80 bits, which raises nothing. */
  load(read: Reader): number {
    this.#begin();
    if (!this.state.isEmpty(7)) return this.#pushOverflow();
    read(this.state.words, this.#out);
    return this.#push();
  }

  /** FLD of single or double precision. */
  loadFloat(read: Reader): number {
    const context = this.#begin();
    if (!this.state.isEmpty(7)) return this.#pushOverflow();
    const denormal = read(this.state.words, this.#out);
    loadFloat(context, this.#out, denormal);
    return this.#push();
  }

  loadRegister(i: number): number {
    this.#begin();
    if (this.state.isEmpty(i)) this.#underflow();
    else if (!this.state.isEmpty(7)) return this.#pushOverflow();
    else this.state.read(i, this.#out);
    return this.#push();
  }

  loadConstant(constant: Constant): number {
    const context = this.#begin();
    if (!this.state.isEmpty(7)) return this.#pushOverflow();
    setConstant(context, this.#out, constant);
    return this.#push();
  }

  #push(): number {
    // an unmasked denormal exception does not keep a load from its register
    if ((this.#context.raised & ~this.#context.control & IE) === 0) this.state.push(this.#out);
    this.state.raise(this.#context, C1);
    return 0;
  }

  #pushOverflow(): number {
    this.#underflow();
    this.#context.raised |= C1;
    return this.#push();
  }

  /**
   * FST, FIST, FBSTP into the scratch.
   * @param bytes of the operand
   */
  store(write: Writer, bytes: number, pops: number): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(0)) {
      this.#underflow();
      this.#a.setIndefinite();
    } else {
      state.read(0, this.#a);
    }
    if (context.stopped || !write(context, state.words, this.#a) || context.stopped) {
      state.raise(context, C1);
      return 0;
    }
    this.#uncommitted = "store";
    this.#pops = pops;
    return bytes;
  }

  /** FST ST(i), FSTP ST(i). */
  storeRegister(i: number, pops: number): number {
    const { state } = this;
    const context = this.#begin();
    if (state.isEmpty(0)) this.#underflow();
    else state.read(0, this.#out);
    if (!context.stopped) {
      state.write(i, this.#out);
      if (pops !== 0) state.pop();
    }
    state.raise(context, C1);
    return 0;
  }

  /** The undocumented double D9 D8+i: FSTP ST(i) without a stack fault, which only pops then. */
  storeRegisterUnchecked(i: number): number {
    if (!this.state.isEmpty(0)) return this.storeRegister(i, 1);
    this.state.pop();
    this.state.status &= ~C1;
    return 0;
  }

  exchange(i: number): number {
    const { state } = this;
    const context = this.#begin();
    state.read(0, this.#a);
    state.read(i, this.#b);
    if (state.isEmpty(0) || state.isEmpty(i)) {
      this.#underflow();
      if (state.isEmpty(0)) this.#a.setIndefinite();
      if (state.isEmpty(i)) this.#b.setIndefinite();
    }
    if (!context.stopped) {
      state.write(0, this.#b);
      state.write(i, this.#a);
    }
    state.raise(context, C1);
    return 0;
  }

  /** FCMOVcc: ST(0) = ST(i) if the condition, of EFLAGS bits, is as wanted. */
  conditionalMove(i: number, flags: number, wanted: boolean): number {
    const { state } = this;
    const context = this.#begin();
    const holds = ((state.words[FLAGS] & flags) !== 0) === wanted;
    if (state.isEmpty(0) || state.isEmpty(i)) {
      this.#underflow();
      if (!context.stopped) state.write(0, this.#out);
    } else if (holds) {
      state.read(i, this.#out);
      state.write(0, this.#out);
    }
    state.raise(context, stackFaultOnly(context));
    return 0;
  }

  // --- control --------------------------------------------------------------------

  /** FFREE, FFREEP. */
  free(i: number, pop: boolean): number {
    this.state.free(i);
    if (pop) this.state.pop();
    this.state.status &= ~C1;
    return 0;
  }

  /** FINCSTP, FDECSTP. */
  rotate(by: number): number {
    const { state } = this;
    state.top = state.top + by;
    state.status &= ~C1;
    return 0;
  }

  nothing(): number {
    return 0;
  }

  clearExceptions(): number {
    this.state.status &= ~(EXCEPTIONS | SF);
    return 0;
  }

  initialize(): number {
    this.state.initialize();
    return 0;
  }

  loadControl(): number {
    this.state.control = this.state.words[LO] & 0xffff;
    return 0;
  }

  storeControl(): number {
    this.state.words[LO] = this.state.control;
    this.#uncommitted = "nothing";
    return 2;
  }

  storeStatus(): number {
    this.state.words[LO] = this.state.status;
    this.#uncommitted = "nothing";
    return 2;
  }

  loadEnvironment(format: images.ImageFormat): number {
    images.loadEnvironment(this.state, format);
    return 0;
  }

  storeEnvironment(format: images.ImageFormat): number {
    images.storeEnvironment(this.state, format);
    this.#uncommitted = "mask";
    return images.environmentBytes(format);
  }

  loadState(format: images.ImageFormat): number {
    images.loadState(this.state, format);
    return 0;
  }

  storeState(format: images.ImageFormat): number {
    images.storeState(this.state, format);
    this.#uncommitted = "initialize";
    return images.environmentBytes(format) + 80;
  }

  /** FXSAVE's first 160 bytes into the scratch, less MXCSR (bytes 24..31). */
  storeExtended(wide: boolean): void {
    images.storeExtended(this.state, wide);
  }

  /** FXRSTOR from the first 160 bytes in the scratch. */
  loadExtended(wide: boolean): void {
    images.loadExtended(this.state, wide);
  }

  // --- common ---------------------------------------------------------------------

  #begin(): Context {
    const context = this.#context;
    context.control = this.state.control;
    context.raised = 0;
    return context;
  }

  /** The stack fault of an empty register, with its masked answer. */
  #underflow(): void {
    this.#context.raised |= IE | SF;
    this.#out.setIndefinite();
  }

  /** A denormal operand of the short formats: invalid operands and NaNs go before it. */
  #denormalOperand(unordered: boolean): void {
    const context = this.#context;
    if (unordered || (context.raised & (IE | ZE)) !== 0) return;
    if ((context.control & DE) !== 0) context.raised |= DE;
    else context.raised = DE;
  }
}

/** The instructions that work with EFLAGS clear C1 only to tell of a stack underflow. */
function stackFaultOnly(context: Context): number {
  return (context.raised & SF) !== 0 ? C1 : 0;
}

/** Conditions of FCMOVcc by its two bits: B, E, BE, U. */
export const MOVE_CONDITIONS = [CF, ZF, CF | ZF, PF] as const;

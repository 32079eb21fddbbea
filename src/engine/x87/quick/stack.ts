import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { X87 } from "../../x86/state.ts";
import { C1, PE } from "../context.ts";
import { CONTROL_WORD, SIGN_EXPONENT, STATUS_WORD, TAGS } from "../layout.ts";
import { MODES, SCRATCH } from "./number.ts";

const PE_BIT = Math.log2(PE);

/** Result of a quick function that is called. */
export const DONE = 1;
export const NOT_DONE = 0;

/** Bits of the status word that are TOP, and one step of it. */
export const TOP = 0x3800;
export const TOP_STEP = 0x0800;

/**
 * The registers as a quick function finds them. It reads them before its paths part; each path stores
 * to the same ones, and ends in one of the functions that conclude.
 */
export interface Stack {
  readonly l: Lift;
  readonly status: Value;

  /** Offset in the window of an operand (see number.ts). */
  at(place: Value): Value;
  /** Offset in the window of ST(0), which is `steps` registers away: -1 for a push. */
  top(steps?: -1 | 0): Value;

  /** Gives up unless a condition (0 or 1) holds, though perhaps not at once. */
  demand(condition: Value): void;
  /** Gives up at once unless a condition holds: what follows must not be done otherwise. */
  insist(condition: Value): void;
  /** Gives up unless there is a number in each register (offsets). */
  demandFull(...at: readonly Value[]): void;
  demandEmpty(at: Value): void;
  /** Gives up unless PE is masked; in compiled code, also unless {@link modes} are what they were. */
  demandModes(): void;
  /** Rounding and precision control, as they stand in the control word: behind {@link demandModes}. */
  modes(): Value;

  significand(at: Value): Value;
  /** 16 bits */
  signExponent(at: Value): Value;
  store(at: Value, significand: Value, signExponent: Value): void;

  /** Whether it is known that a register holds a normal number or a zero. */
  isGood(at: Value): boolean;
  /** From here on it is. */
  setGood(at: Value): void;

  /** Ends with nothing changed but what is between registers and memory. */
  done(): void;
  /** Ends with a status word, and pops. */
  conclude(status: Value, pops: number): void;
  /** Ends with ST(0) at `at`, one register below, and C1 cleared. */
  concludePush(at: Value): void;
}

/** The registers in the state, where a function that is called finds them. */
export class StateStack implements Stack {
  readonly l: Lift;
  readonly status: Value;
  private readonly tags: Value;
  private control: Value | undefined;

  constructor(l: Lift) {
    this.l = l;
    this.status = l.loadState(X87 + STATUS_WORD, "i32");
    this.tags = l.loadState(X87 + TAGS, "i32");
  }

  at(place: Value): Value {
    const { l } = this;
    const top = l.op("i32.shr_u", this.status, l.i32(7));
    const register = l.op("i32.and", l.op("i32.add", top, place), l.i32(0x70));
    return l.select(l.op("i32.lt_u", place, l.i32(128)), register, place);
  }

  top(steps = 0): Value {
    const { l } = this;
    const top = l.op("i32.shr_u", this.status, l.i32(7));
    const moved = steps === 0 ? top : l.op("i32.add", top, l.i32(16 * steps));
    return l.op("i32.and", moved, l.i32(0x70));
  }

  demand(condition: Value): void {
    this.l.if(this.l.op("i32.eqz", condition), () => this.l.leave(NOT_DONE));
  }

  insist(condition: Value): void {
    this.demand(condition);
  }

  demandFull(...at: readonly Value[]): void {
    const { l } = this;
    const tags = l.op("i32.or", this.tags, l.i32(1 << (SCRATCH >> 4)));
    const full = at
      .map((offset) => l.op("i32.shr_u", tags, l.op("i32.shr_u", offset, l.i32(4))))
      .reduce((a, b) => l.op("i32.and", a, b));
    this.demand(l.op("i32.and", full, l.i32(1)));
  }

  demandEmpty(at: Value): void {
    const { l } = this;
    this.demand(l.op("i32.eqz", l.op("i32.and", this.tags, this.bit(at))));
  }

  demandModes(): void {
    const { l } = this;
    this.control = l.loadState(X87 + CONTROL_WORD, "i32");
    this.demand(l.op("i32.and", l.op("i32.shr_u", this.control, l.i32(PE_BIT)), l.i32(1)));
  }

  modes(): Value {
    if (this.control === undefined) throw new Error("modes have not been looked at");
    return this.l.op("i32.and", this.control, this.l.i32(MODES));
  }

  private bit(at: Value): Value {
    return this.l.op("i32.shl", this.l.i32(1), this.l.op("i32.shr_u", at, this.l.i32(4)));
  }

  significand(at: Value): Value {
    return this.l.loadIndexed(at, X87, "i64");
  }

  signExponent(at: Value): Value {
    return this.l.loadIndexed(at, X87 + SIGN_EXPONENT, "i32.16u");
  }

  store(at: Value, significand: Value, signExponent: Value): void {
    this.l.storeIndexed(at, X87, "i64", significand);
    this.l.storeIndexed(at, X87 + SIGN_EXPONENT, "i32", signExponent);
  }

  isGood(): boolean {
    return false;
  }

  setGood(): void {}

  done(): void {
    this.l.leave(DONE);
  }

  conclude(status: Value, pops: number): void {
    const { l } = this;
    if (pops === 0) {
      l.storeState(X87 + STATUS_WORD, "i32", status);
      l.leave(DONE);
      return;
    }
    const top = l.op("i32.and", l.op("i32.shr_u", status, l.i32(11)), l.i32(7));
    const popped = l.op("i32.shl", l.i32((1 << pops) - 1), top);
    const wrapped = l.op("i32.or", popped, l.op("i32.shr_u", popped, l.i32(8)));
    const left = l.op("i32.and", this.tags, l.op("i32.xor", wrapped, l.i32(-1)));
    l.storeState(X87 + TAGS, "i32", left);
    const moved = l.op("i32.add", status, l.i32(pops * TOP_STEP));
    const rest = l.op("i32.and", status, l.i32(~TOP));
    l.storeState(
      X87 + STATUS_WORD,
      "i32",
      l.op("i32.or", rest, l.op("i32.and", moved, l.i32(TOP))),
    );
    l.leave(DONE);
  }

  concludePush(at: Value): void {
    const { l } = this;
    l.storeState(X87 + TAGS, "i32", l.op("i32.or", this.tags, this.bit(at)));
    const rest = l.op("i32.and", this.status, l.i32(~(TOP | C1)));
    l.storeState(X87 + STATUS_WORD, "i32", l.op("i32.or", rest, l.op("i32.shl", at, l.i32(7))));
    l.leave(DONE);
  }
}

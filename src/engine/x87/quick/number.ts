/**
 * What the quick functions share. They do the common cases of x87 instructions in micro-operations:
 * normal numbers and zeros, everything rounded to nearest and 64 bits, PE masked, no register empty or
 * full by mistake. They return 1, or 0 before they have changed anything: then the instruction is done
 * by the exact functions beside this folder, in TypeScript.
 */
import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { MicroFunction } from "../../wasm/function-emitter.ts";
import { X87 } from "../../x86/state.ts";
import { C1, PE } from "../context.ts";
import { CONTROL_WORD, NUMBER, SIGN_EXPONENT, STATUS_WORD, TAGS } from "../layout.ts";

/** Result of a quick function. */
export const DONE = 1;
export const NOT_DONE = 0;

/** Bits of the status word that are TOP, and one step of it. */
export const TOP = 0x3800;
export const TOP_STEP = 0x0800;
/** Rounding and precision control and PM, and what they must be. */
const MODES = 0x0f20;
const TO_NEAREST_64_MASKED = 0x0320;
/** Of PE and C1 in the status word. */
const PE_BIT = Math.log2(PE);
const C1_BIT = Math.log2(C1);

/**
 * An operand of a quick function: 16 * i for ST(i), or {@link SCRATCH} for the number at NUMBER in the
 * window.
 */
export const SCRATCH = NUMBER;
export const stackPlace = (i: number): number => 16 * i;

/** A number taken apart. Sign: 0 or 0x8000. */
export interface Number80 {
  readonly sign: Value;
  readonly exponent: Value;
  readonly significand: Value;
}

/** The registers as a function finds them. */
export class Stack {
  readonly l: Lift;
  readonly status: Value;
  readonly tags: Value;

  constructor(l: Lift) {
    this.l = l;
    this.status = l.loadState(X87 + STATUS_WORD, "i32");
    this.tags = l.loadState(X87 + TAGS, "i32");
  }

  /** Offset in the window of an operand. */
  at(place: Value): Value {
    const { l } = this;
    const top = l.op("i32.shr_u", this.status, l.i32(7));
    const register = l.op("i32.and", l.op("i32.add", top, place), l.i32(0x70));
    return l.select(l.op("i32.lt_u", place, l.i32(128)), register, place);
  }

  /** Offset in the window of ST(0), which is 1 step below for a push. */
  top(steps = 0): Value {
    const { l } = this;
    const top = l.op("i32.shr_u", this.status, l.i32(7));
    const moved = steps === 0 ? top : l.op("i32.add", top, l.i32(16 * steps));
    return l.op("i32.and", moved, l.i32(0x70));
  }

  /** In bit 0, whether there is a number. */
  isFull(at: Value): Value {
    const { l } = this;
    const full = l.op("i32.or", this.tags, l.i32(1 << (SCRATCH >> 4)));
    return l.op("i32.shr_u", full, l.op("i32.shr_u", at, l.i32(4)));
  }

  load(at: Value): Number80 {
    const { l } = this;
    const word = l.loadIndexed(at, X87 + SIGN_EXPONENT, "i32.16u");
    return {
      significand: l.loadIndexed(at, X87, "i64"),
      exponent: l.op("i32.and", word, l.i32(0x7fff)),
      sign: l.op("i32.and", word, l.i32(0x8000)),
    };
  }

  store(at: Value, significand: Value, signExponent: Value): void {
    this.l.storeIndexed(at, X87, "i64", significand);
    this.l.storeIndexed(at, X87 + SIGN_EXPONENT, "i32", signExponent);
  }

  /** Gives up unless a condition (i32) holds. */
  demand(condition: Value): void {
    this.l.if(this.l.op("i32.eqz", condition), () => this.l.leave(NOT_DONE));
  }

  /** Gives up unless results are rounded to nearest and 64 bits, with PE masked. */
  demandModes(): void {
    const { l } = this;
    const modes = l.op("i32.and", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(MODES));
    this.demand(l.op("i32.eq", modes, l.i32(TO_NEAREST_64_MASKED)));
  }

  /** Writes the status word, pops, and ends the function. */
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

  /** The status word with PE added, and C1 as it says. Both are 0 or 1. */
  raised(inexact: Value, up: Value): Value {
    const { l } = this;
    const rest = l.op("i32.and", this.status, l.i32(~C1));
    const both = l.op(
      "i32.or",
      l.op("i32.shl", inexact, l.i32(PE_BIT)),
      l.op("i32.shl", up, l.i32(C1_BIT)),
    );
    return l.op("i32.or", rest, both);
  }

  /**
   * Rounds significand.extra, integer bit set, to nearest even and 64 bits into the register at `at`.
   * @param extra 64 bits below the last place, sticky at the lowest
   */
  deliver(
    at: Value,
    sign: Value,
    exponent: Value,
    significand: Value,
    extra: Value,
    pops: number,
  ): void {
    const { l } = this;
    const { up, inexact } = nearest(l, l.wrap(significand), extra);
    const sum = l.add(significand, l.extend(up));
    const carried = l.eqz(sum);
    const rounded = l.or(sum, l.shl(l.extend(carried), l.i64(63)));
    const biased = l.op("i32.add", exponent, carried);
    this.demand(isNormalExponent(l, biased));
    this.store(at, rounded, l.op("i32.or", sign, biased));
    this.conclude(this.raised(inexact, up), pops);
  }
}

/** Whether rounding goes up, and whether anything is lost (i32 0 or 1). @param last its bit 0 is that of the significand */
export function nearest(l: Lift, last: Value, extra: Value): { up: Value; inexact: Value } {
  const half = l.op("i64.lt_s", extra, l.i64(0));
  const above = l.ne(l.shl(extra, l.i64(1)), l.i64(0));
  return {
    up: l.op("i32.and", half, l.op("i32.or", above, last)),
    inexact: l.ne(extra, l.i64(0)),
  };
}

/** 1 .. 0x7ffe */
export function isNormalExponent(l: Lift, exponent: Value): Value {
  return l.op("i32.lt_u", l.op("i32.sub", exponent, l.i32(1)), l.i32(0x7ffe));
}

export function isNormal(l: Lift, { exponent, significand }: Number80): Value {
  const integerBit = l.op("i64.lt_s", significand, l.i64(0));
  return l.op("i32.and", isNormalExponent(l, exponent), integerBit);
}

export function isZero(l: Lift, { exponent, significand }: Number80): Value {
  return l.eqz(l.or(significand, l.extend(exponent)));
}

/** A function for each number of pops at its end, by {@link popping}'s names. */
export function withPops(
  name: string,
  counts: readonly number[],
  parameters: MicroFunction["parameters"],
  build: (l: Lift, pops: number, ...parameters: Value[]) => void,
): MicroFunction[] {
  return counts.map((pops) => ({
    name: popping(name, pops),
    parameters,
    build: (l, ...values) => build(l, pops, ...values),
  }));
}

export function popping(name: string, pops: number): string {
  return pops === 0 ? name : `${name}_pop${pops}`;
}

import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { ValueType } from "../../wasm/module-builder.ts";
import { C1, PE } from "../context.ts";
import { NUMBER } from "../layout.ts";
import type { Stack } from "./stack.ts";

/**
 * What x87 instructions do in the common cases, in micro-operations: normal numbers and zeros, PE
 * masked, no register empty or full by mistake. Tier 0 calls them as
 * functions, compiled code is built from them. Where a case is not theirs, they give up before they have
 * changed anything: then the instruction is done by the exact functions beside this folder, in TypeScript.
 */
export interface QuickFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly build: (stack: Stack, ...parameters: Value[]) => void;
}

/** Rounding and precision control in the control word, and what they usually are. */
export const ROUNDING = 0x0c00;
export const MODES = 0x0f00;
export const TO_NEAREST_64 = 0x0300;
/** Rounding control, in place: down. */
const DOWN = 0x0400;
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

/** A normal number or a zero. */
export function load(stack: Stack, at: Value): Number80 {
  const { l } = stack;
  const significand = stack.significand(at);
  const word = stack.signExponent(at);
  const exponent = l.op("i32.and", word, l.i32(0x7fff));
  if (!stack.isGood(at)) {
    const zero = l.eqz(l.or(significand, l.extend(exponent)));
    const integerBit = l.op("i64.lt_s", significand, l.i64(0));
    const normal = l.op("i32.and", isNormalExponent(l, exponent), integerBit);
    stack.demand(l.op("i32.or", normal, zero));
    stack.setGood(at);
  }
  return { significand, exponent, sign: l.op("i32.and", word, l.i32(0x8000)) };
}

/** A status word with PE added, and C1 as it says. Both are 0 or 1. */
export function raised(stack: Stack, inexact: Value, up: Value): Value {
  const { l } = stack;
  const rest = l.op("i32.and", stack.status, l.i32(~C1));
  return l.op("i32.or", rest, raises(l, inexact, up));
}

/** PE and C1 at their places. Both are 0 or 1. */
export function raises(l: Lift, inexact: Value, up: Value): Value {
  return l.op(
    "i32.or",
    l.op("i32.shl", inexact, l.i32(PE_BIT)),
    l.op("i32.shl", up, l.i32(C1_BIT)),
  );
}

/** A status word when nothing was rounded: C1 is cleared. */
export function exact(stack: Stack): Value {
  return stack.l.op("i32.and", stack.status, stack.l.i32(~C1));
}

/**
 * Rounds significand.extra, integer bit set, as the control word says, into the register at `at`.
 * @param extra 64 bits below the last place, sticky at the lowest
 */
export function deliver(
  stack: Stack,
  at: Value,
  sign: Value,
  exponent: Value,
  significand: Value,
  extra: Value,
  pops: number,
): void {
  const { l } = stack;
  const modes = stack.modes();
  const usual = nearest(l, l.wrap(significand), extra);
  const kept = l.variable(significand);
  const inexact = l.variable(usual.inexact);
  const up = l.variable(usual.up);
  const unit = l.variable(l.extend(usual.up));
  l.if(l.op("i32.ne", modes, l.i32(TO_NEAREST_64)), () => {
    // 64, 53 or 24 bits
    const precision = l.op("i32.and", modes, l.i32(MODES & ~ROUNDING));
    const to24 = l.select(l.op("i32.eqz", precision), l.i64(40), l.i64(0));
    const dropped = l.select(l.op("i32.eq", precision, l.i32(0x200)), l.i64(11), to24);
    const whole = l.shrU(significand, dropped);
    const cut = l.shl(l.shl(significand, l.i64(1)), l.sub(l.i64(63), dropped));
    const sticky = l.select(l.eqz(dropped), extra, l.extend(l.ne(extra, l.i64(0))));
    const rounded = directed(l, l.wrap(whole), l.or(cut, sticky), modes, sign);
    l.set(kept, l.shl(whole, dropped));
    l.set(inexact, rounded.inexact);
    l.set(up, rounded.up);
    l.set(unit, l.shl(l.extend(rounded.up), dropped));
  });
  const sum = l.add(l.get(kept), l.get(unit));
  const carried = l.eqz(sum);
  const rounded = l.or(sum, l.shl(l.extend(carried), l.i64(63)));
  const biased = l.op("i32.add", exponent, carried);
  stack.demand(isNormalExponent(l, biased));
  stack.store(at, rounded, l.op("i32.or", sign, biased));
  stack.setGood(at);
  stack.conclude(raised(stack, l.get(inexact), l.get(up)), pops);
}

/** As {@link nearest}, but by rounding control. @param modes the control word, at least that @param sign 0 or 0x8000 */
export function directed(
  l: Lift,
  last: Value,
  extra: Value,
  modes: Value,
  sign: Value,
): { up: Value; inexact: Value } {
  const { up, inexact } = nearest(l, last, extra);
  const control = l.op("i32.and", modes, l.i32(ROUNDING));
  // down if it is negative, else up
  const away = l.op("i32.sub", l.i32(2 * DOWN), l.op("i32.shr_u", sign, l.i32(5)));
  const isAway = l.op("i32.and", inexact, l.op("i32.eq", control, away));
  return { up: l.select(l.op("i32.eqz", control), up, isAway), inexact };
}

/** The sign of a zero that is a difference: 0 or 0x8000. */
export function signOfNothing(stack: Stack): Value {
  const { l } = stack;
  const control = l.op("i32.and", stack.modes(), l.i32(ROUNDING));
  return l.op("i32.shl", l.op("i32.eq", control, l.i32(DOWN)), l.i32(15));
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

/** Of a normal number or a zero. */
export function isZero(l: Lift, { significand }: Number80): Value {
  return l.eqz(significand);
}

/** A function for each number of pops at its end, by {@link popping}'s names. */
export function withPops(
  name: string,
  counts: readonly number[],
  parameters: readonly ValueType[],
  build: (stack: Stack, pops: number, ...parameters: Value[]) => void,
): QuickFunction[] {
  return counts.map((pops) => ({
    name: popping(name, pops),
    parameters,
    build: (stack, ...values) => build(stack, pops, ...values),
  }));
}

export function popping(name: string, pops: number): string {
  return pops === 0 ? name : `${name}_pop${pops}`;
}

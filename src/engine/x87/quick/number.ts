import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { ValueType } from "../../wasm/module-builder.ts";
import { X87 } from "../../x86/state.ts";
import { C1, PE } from "../context.ts";
import { CONTROL_WORD, NUMBER } from "../layout.ts";
import type { Stack } from "./stack.ts";

/**
 * What x87 instructions do in the common cases, in micro-operations: normal numbers and zeros, everything
 * rounded to nearest and 64 bits, PE masked, no register empty or full by mistake. Tier 0 calls them as
 * functions, compiled code is built from them. Where a case is not theirs, they give up before they have
 * changed anything: then the instruction is done by the exact functions beside this folder, in TypeScript.
 */
export interface QuickFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly build: (stack: Stack, ...parameters: Value[]) => void;
}

/** Rounding and precision control and PM, and what they must be. */
export const MODES = 0x0f20;
export const TO_NEAREST_64_MASKED = 0x0320;
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

/** What {@link Stack.demandModes} does where nothing is known. */
export function demandModes(stack: Stack): void {
  const { l } = stack;
  const modes = l.op("i32.and", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(MODES));
  stack.demand(l.op("i32.eq", modes, l.i32(TO_NEAREST_64_MASKED)));
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
 * Rounds significand.extra, integer bit set, to nearest even and 64 bits into the register at `at`.
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
  const { up, inexact } = nearest(l, l.wrap(significand), extra);
  const sum = l.add(significand, l.extend(up));
  const carried = l.eqz(sum);
  const rounded = l.or(sum, l.shl(l.extend(carried), l.i64(63)));
  const biased = l.op("i32.add", exponent, carried);
  stack.demand(isNormalExponent(l, biased));
  stack.store(at, rounded, l.op("i32.or", sign, biased));
  stack.setGood(at);
  stack.conclude(raised(stack, inexact, up), pops);
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

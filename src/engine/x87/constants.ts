import type { Context } from "./context.ts";
import { type Float80, INTEGER_BIT } from "./float80.ts";
import { roundsUp } from "./round.ts";

/** A constant with 32 bits more than a significand holds; all are positive. */
export interface Constant {
  readonly exponent: number;
  readonly hi: number;
  readonly lo: number;
  readonly extra: number;
}

export const ONE: Constant = { exponent: 0x3fff, hi: INTEGER_BIT, lo: 0, extra: 0 };
export const PLUS_ZERO: Constant = { exponent: 0, hi: 0, lo: 0, extra: 0 };
export const LOG2_10: Constant = constant(0x4000, 0xd49a784b, 0xcd1b8afe, 0x492bf6ff);
export const LOG2_E: Constant = constant(0x3fff, 0xb8aa3b29, 0x5c17f0bb, 0xbe87fed0);
export const PI: Constant = constant(0x4000, 0xc90fdaa2, 0x2168c234, 0xc4c6628b);
export const LOG10_2: Constant = constant(0x3ffd, 0x9a209a84, 0xfbcff798, 0x8f8959ac);
export const LN_2: Constant = constant(0x3ffe, 0xb17217f7, 0xd1cf79ab, 0xc9e3b398);

function constant(exponent: number, hi: number, lo: number, extra: number): Constant {
  return { exponent, hi: hi | 0, lo: lo | 0, extra: extra | 0 };
}

/** FLD1, FLDPI and the others: rounded by RC, without PE and whatever PC says. */
export function setConstant(context: Context, out: Float80, from: Constant): void {
  const up = from.extra !== 0 && roundsUp(context, 0, from.lo & 1, from.extra) ? 1 : 0;
  out.set(from.exponent, from.hi, from.lo + up);
}

import type { Environment } from "./environment.ts";
import {
  bitLength,
  exponent,
  type Format,
  isInfinite,
  isNan,
  isNegative,
  isSignaling,
  isZero,
  significand,
} from "./format.ts";
import { DOWN, IE, ZE } from "./mxcsr.ts";
import { EQUAL, GREATER, LESS, SIGNALING, UNORDERED } from "./predicates.ts";

/**
 * Exact arithmetic: results and flags of one element as in the Intel SDM
 * vol. 1, chapter 11.5 and appendix E. Operands and results are encodings.
 */
export type Binary = (e: Environment, f: Format, a: bigint, b: bigint) => bigint;

function noteDenormals(e: Environment, f: Format, a: bigint, b: bigint): void {
  e.noteDenormal(f, a);
  e.noteDenormal(f, b);
}

export const add: Binary = (e, f, first, second) => {
  const a = e.operand(f, first);
  const b = e.operand(f, second);
  const nan = e.nan(f, a, b);
  if (nan !== undefined) return nan;
  if (isInfinite(f, a) && isInfinite(f, b) && a !== b) return e.invalid(f);
  noteDenormals(e, f, a, b);
  if (isInfinite(f, a)) return a;
  if (isInfinite(f, b)) return b;
  const ea = exponent(f, a);
  const eb = exponent(f, b);
  const unit = Math.min(ea, eb);
  const sa = significand(f, a) << BigInt(ea - unit);
  const sb = significand(f, b) << BigInt(eb - unit);
  const sum = (isNegative(f, a) ? -sa : sa) + (isNegative(f, b) ? -sb : sb);
  if (sum === 0n) {
    if (isNegative(f, a) === isNegative(f, b)) return a & f.sign;
    return e.rounding === DOWN ? f.sign : 0n;
  }
  return e.round(f, sum < 0n, sum < 0n ? -sum : sum, unit, false);
};

export const subtract: Binary = (e, f, a, b) => {
  // The sign of a NaN is not changed.
  return add(e, f, a, isNan(f, b) ? b : b ^ f.sign);
};

export const multiply: Binary = (e, f, first, second) => {
  const a = e.operand(f, first);
  const b = e.operand(f, second);
  const nan = e.nan(f, a, b);
  if (nan !== undefined) return nan;
  if ((isInfinite(f, a) && isZero(f, b)) || (isZero(f, a) && isInfinite(f, b))) return e.invalid(f);
  noteDenormals(e, f, a, b);
  const sign = (a ^ b) & f.sign;
  if (isInfinite(f, a) || isInfinite(f, b)) return sign | f.infinity;
  if (isZero(f, a) || isZero(f, b)) return sign;
  const product = significand(f, a) * significand(f, b);
  return e.round(f, sign !== 0n, product, exponent(f, a) + exponent(f, b), false);
};

/** The signs that turn a * b + c into its variants. */
export interface FusedSigns {
  readonly negatesProduct: boolean;
  readonly negatesAddend: boolean;
}

/** a * b + c, rounded once. The sign of a NaN is not changed. */
export function fuse(
  e: Environment,
  f: Format,
  operands: readonly [bigint, bigint, bigint],
  { negatesProduct, negatesAddend }: FusedSigns,
): bigint {
  const [a, b, addend] = operands.map((x) => e.operand(f, x)) as [bigint, bigint, bigint];
  const isInvalid = (isInfinite(f, a) && isZero(f, b)) || (isZero(f, a) && isInfinite(f, b));
  const nan = e.nan(f, a, b) ?? (isInvalid ? undefined : e.nan(f, addend, addend));
  if (nan !== undefined) {
    if (isSignaling(f, addend)) e.before |= IE;
    return nan;
  }
  if (isInvalid) return isNan(f, addend) ? (e.nan(f, addend, addend) ?? addend) : e.invalid(f);
  const sign = (a ^ b ^ (negatesProduct ? f.sign : 0n)) & f.sign;
  const c = negatesAddend ? addend ^ f.sign : addend;
  const isInfiniteProduct = isInfinite(f, a) || isInfinite(f, b);
  if (isInfiniteProduct && isInfinite(f, c) && sign !== (c & f.sign)) return e.invalid(f);
  noteDenormals(e, f, a, b);
  e.noteDenormal(f, c);
  if (isInfiniteProduct) return sign | f.infinity;
  if (isInfinite(f, c)) return c;
  const ep = exponent(f, a) + exponent(f, b);
  const ec = exponent(f, c);
  const unit = Math.min(ep, ec);
  const product = (significand(f, a) * significand(f, b)) << BigInt(ep - unit);
  const rest = significand(f, c) << BigInt(ec - unit);
  const sum = (sign !== 0n ? -product : product) + (isNegative(f, c) ? -rest : rest);
  if (sum === 0n) {
    if (sign === (c & f.sign)) return sign;
    return e.rounding === DOWN ? f.sign : 0n;
  }
  return e.round(f, sum < 0n, sum < 0n ? -sum : sum, unit, false);
}

export const divide: Binary = (e, f, first, second) => {
  const a = e.operand(f, first);
  const b = e.operand(f, second);
  const nan = e.nan(f, a, b);
  if (nan !== undefined) return nan;
  if (isZero(f, a) ? isZero(f, b) : isInfinite(f, a) && isInfinite(f, b)) return e.invalid(f);
  const sign = (a ^ b) & f.sign;
  if (isZero(f, b)) {
    // Infinity / 0 is exact.
    if (!isInfinite(f, a)) e.before |= ZE;
    return sign | f.infinity;
  }
  noteDenormals(e, f, a, b);
  if (isInfinite(f, a)) return sign | f.infinity;
  if (isInfinite(f, b) || isZero(f, a)) return sign;
  const divisor = significand(f, b);
  const shift = f.fraction + 3 + bitLength(divisor);
  const dividend = significand(f, a) << BigInt(shift);
  const quotient = dividend / divisor;
  const unit = exponent(f, a) - shift - exponent(f, b);
  return e.round(f, sign !== 0n, quotient, unit, quotient * divisor !== dividend);
};

export function squareRoot(e: Environment, f: Format, operand: bigint): bigint {
  const a = e.operand(f, operand);
  const nan = e.nan(f, a, a);
  if (nan !== undefined) return nan;
  if (isZero(f, a)) return a;
  if (isNegative(f, a)) return e.invalid(f);
  e.noteDenormal(f, a);
  if (isInfinite(f, a)) return a;
  // An even exponent, and enough bits for a root with two more than the format.
  let shift = 2 * f.fraction + 8;
  if ((exponent(f, a) - shift) % 2 !== 0) shift++;
  const radicand = significand(f, a) << BigInt(shift);
  const root = integerRoot(radicand);
  return e.round(f, false, root, (exponent(f, a) - shift) / 2, root * root !== radicand);
}

/** Greatest integer whose square is not above `x`, by Newton's method. */
function integerRoot(x: bigint): bigint {
  let root = 1n << BigInt((bitLength(x) + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** -1, 0, 1 as a is less than, equal to, greater than b; undefined if they are unordered. */
function order(f: Format, a: bigint, b: bigint): number | undefined {
  if (isNan(f, a) || isNan(f, b)) return undefined;
  if (isZero(f, a) && isZero(f, b)) return 0;
  const x = isNegative(f, a) ? -(a ^ f.sign) : a;
  const y = isNegative(f, b) ? -(b ^ f.sign) : b;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** As {@link order}, with flags; `quiet`: only signaling NaNs are invalid. */
export function compare(
  e: Environment,
  f: Format,
  first: bigint,
  second: bigint,
  quiet: boolean,
): number | undefined {
  const a = e.operand(f, first);
  const b = e.operand(f, second);
  const result = order(f, a, b);
  if (result !== undefined) noteDenormals(e, f, a, b);
  else if (!quiet || isSignaling(f, a) || isSignaling(f, b)) e.invalid(f);
  return result;
}

/** MIN: the second operand if either is a NaN or both are zero. */
export const minimum: Binary = (e, f, a, b) =>
  compare(e, f, a, b, false) === -1 ? e.operand(f, a) : e.operand(f, b);

export const maximum: Binary = (e, f, a, b) =>
  compare(e, f, a, b, false) === 1 ? e.operand(f, a) : e.operand(f, b);

/** CMPxx by a predicate (0..31). */
export function compareMask(
  e: Environment,
  f: Format,
  a: bigint,
  b: bigint,
  predicate: number,
): bigint {
  const isAmong = (predicates: number): boolean => ((predicates >> (predicate & 15)) & 1) !== 0;
  const result = compare(e, f, a, b, isAmong(SIGNALING) === predicate >= 16);
  const relation =
    result === undefined ? UNORDERED : result === 0 ? EQUAL : result < 0 ? LESS : GREATER;
  return isAmong(relation) ? (f.sign << 1n) - 1n : 0n;
}

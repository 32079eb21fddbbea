import type { Environment } from "./environment.ts";
import { DOWN, NEAREST, PE, UP } from "./mxcsr.ts";

/**
 * Arithmetic on the host's doubles together with the sign of its rounding
 * error (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971), which is all that PE and the directed rounding
 * modes ask for. Far faster than exact integers, but only away from the ends
 * of the range.
 */
export type Operation = "add" | "subtract" | "multiply" | "divide" | "squareRoot";

const bits = new BigInt64Array(1);
const double = new Float64Array(bits.buffer);
const singleBits = new Int32Array(1);
const single = new Float32Array(singleBits.buffer);

/** Operands and doubles between: products of two are far from overflow, their errors from underflow. */
const LARGE = 2 ** 480;
const SMALL = 2 ** -480;
const SINGLE_LARGE = 2 ** 127;
const SINGLE_SMALL = 2 ** -125;

function within(x: number, small: number, large: number): boolean {
  const size = Math.abs(x);
  return (size >= small && size <= large) || size === 0;
}

/** a * b - product, exactly. */
function productError(a: number, b: number, product: number): number {
  const ta = 134217729 * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = 134217729 * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return al * bl - (product - ah * bh - al * bh - ah * bl);
}

/** The exact result less `nearest`, or a number of its sign. */
function errorOf(operation: Operation, a: number, b: number, nearest: number): number {
  switch (operation) {
    case "add": {
      const part = nearest - a;
      return a - (nearest - part) + (b - part);
    }
    case "subtract":
      return errorOf("add", a, -b, nearest);
    case "multiply":
      return productError(a, b, nearest);
    case "divide": {
      const product = nearest * b;
      const remainder = a - product - productError(nearest, b, product);
      return b < 0 ? -remainder : remainder;
    }
    case "squareRoot": {
      const product = nearest * nearest;
      return b - product - productError(nearest, nearest, product);
    }
  }
}

function nearestOf(operation: Operation, a: number, b: number): number {
  switch (operation) {
    case "add":
      return a + b;
    case "subtract":
      return a - b;
    case "multiply":
      return a * b;
    case "divide":
      return a / b;
    case "squareRoot":
      return Math.sqrt(b);
  }
}

/** The result (of a square root: that of `b`), with PE noted, or NaN where the operands or the result are out of range. */
export function errorFree(
  e: Environment,
  isSingle: boolean,
  operation: Operation,
  a: number,
  b: number,
): number {
  const small = isSingle ? SINGLE_SMALL : SMALL;
  const large = isSingle ? SINGLE_LARGE : LARGE;
  const unary = operation === "squareRoot";
  if ((!unary && !within(a, small, large)) || !within(b, small, large)) return Number.NaN;
  let result = nearestOf(operation, a, b);
  // Written so that a NaN is out of range.
  if (!within(result, SMALL, LARGE)) return Number.NaN;
  let error = errorOf(operation, a, b, result);
  if (isSingle) {
    // Rounding twice is harmless: 53 bits are more than 2 * 24 + 1.
    const rounded = Math.fround(result);
    if (!within(rounded, small, large)) return Number.NaN;
    if (rounded !== result) error = result - rounded;
    result = rounded;
  }
  const mode = e.rounding;
  if (result === 0 && (error !== 0 || mode !== NEAREST)) return Number.NaN;
  if (error === 0) return result;
  e.after |= PE;
  if (mode === NEAREST) return result;
  const isAbove = error < 0;
  const wantsBelow = mode === DOWN || (mode !== UP && result > 0);
  if (isAbove !== wantsBelow) return result;
  return neighbour(isSingle, result, wantsBelow !== result < 0);
}

/** The next number of the format towards zero or away from it. */
function neighbour(isSingle: boolean, x: number, towardsZero: boolean): number {
  if (isSingle) {
    single[0] = x;
    singleBits[0] = (singleBits[0] as number) + (towardsZero ? -1 : 1);
    return single[0];
  }
  double[0] = x;
  bits[0] = (bits[0] as bigint) + (towardsZero ? -1n : 1n);
  return double[0];
}

import type { Context } from "./context.ts";
import { combine } from "./factors.ts";
import { BIAS, type Float80 } from "./float80.ts";
import { roundPack } from "./round.ts";
import { multiplyHigh } from "./wide.ts";

/** FMUL: out = a * b. `out` may be `a` or `b`. */
export function multiply(context: Context, out: Float80, a: Float80, b: Float80): void {
  combine(context, out, a, b, false, multiplyMagnitudes);
}

function multiplyMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  ea: number,
  a: Float80,
  eb: number,
  b: Float80,
): void {
  // of a product from 1 to below 2
  let exponent = ea + eb - BIAS;
  const aHi = a.hi >>> 0;
  const aLo = a.lo >>> 0;
  const bHi = b.hi >>> 0;
  const bLo = b.lo >>> 0;
  // columns of 32 bits, each summed exactly as a double
  const column1 =
    multiplyHigh(aLo, bLo) + (Math.imul(aLo, bHi) >>> 0) + (Math.imul(aHi, bLo) >>> 0);
  const column2 =
    multiplyHigh(aLo, bHi) +
    multiplyHigh(aHi, bLo) +
    (Math.imul(aHi, bHi) >>> 0) +
    Math.floor(column1 * 2 ** -32);
  let hi = (multiplyHigh(aHi, bHi) + Math.floor(column2 * 2 ** -32)) | 0;
  let lo = column2 | 0;
  let extra = column1 | 0;
  const lowest = Math.imul(aLo, bLo);
  exponent++;
  if (hi >= 0) {
    hi = (hi << 1) | (lo >>> 31);
    lo = (lo << 1) | (extra >>> 31);
    extra = (extra << 1) | (lowest >>> 31);
    exponent--;
    if (lowest << 1 !== 0) extra |= 1;
  } else if (lowest !== 0) extra |= 1;
  roundPack(context, out, sign, exponent, hi, lo, extra, context.precision);
}

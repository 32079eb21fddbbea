import type { Context } from "./context.ts";
import { combine } from "./factors.ts";
import { BIAS, type Float80 } from "./float80.ts";
import { roundPack } from "./round.ts";
import { below, multiplyHigh } from "./wide.ts";

/** FDIV: out = a / b. `out` may be `a` or `b`. */
export function divide(context: Context, out: Float80, a: Float80, b: Float80): void {
  combine(context, out, a, b, true, divideMagnitudes);
}

function divideMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  ea: number,
  a: Float80,
  eb: number,
  b: Float80,
): void {
  // of a quotient from 1 to below 2
  let exponent = ea - eb + BIAS;
  const bHi = b.hi >>> 0;
  const bLo = b.lo >>> 0;
  // numerator r1:r0:next, below b * 2^32, so that the quotient has 64 bits
  let r1 = a.hi >>> 0;
  let r0 = a.lo >>> 0;
  let next = 0;
  if (below(a.hi, a.lo, b.hi, b.lo)) {
    exponent--;
  } else {
    next = (r0 << 31) >>> 0;
    r0 = ((r0 >>> 1) | (r1 << 31)) >>> 0;
    r1 >>>= 1;
  }
  const divisor = bHi * 2 ** 32 + bLo;
  let high = 0;
  let digit = 0;
  for (let step = 0; step < 2; step++) {
    high = digit;
    // doubles give 32 bits of quotient to within one; the exact remainder tells which way
    digit = Math.floor(((r1 * 2 ** 32 + r0) * 2 ** 32 + next) / divisor);
    if (digit > 0xffff_ffff) digit = 0xffff_ffff;
    let low = next - (Math.imul(digit, bLo) >>> 0);
    let middle = r0 - multiplyHigh(digit, bLo) - (Math.imul(digit, bHi) >>> 0);
    if (low < 0) {
      low += 2 ** 32;
      middle--;
    }
    const carry = Math.floor(middle * 2 ** -32);
    middle -= carry * 2 ** 32;
    const top = r1 - multiplyHigh(digit, bHi) + carry;
    if (top < 0) {
      digit--;
      low += bLo;
      middle += bHi;
      if (low > 0xffff_ffff) {
        low -= 2 ** 32;
        middle++;
      }
      if (middle > 0xffff_ffff) middle -= 2 ** 32;
    } else if (top > 0 || middle > bHi || (middle === bHi && low >= bLo)) {
      digit++;
      low -= bLo;
      middle -= bHi;
      if (low < 0) {
        low += 2 ** 32;
        middle--;
      }
      if (middle < 0) middle += 2 ** 32;
    }
    r1 = middle;
    r0 = low;
    next = 0;
  }
  let extra = 0;
  if (r1 !== 0 || r0 !== 0) {
    // Twice the remainder against the divisor. They are never equal: a quotient of 65 bits that
    // ends in a one cannot divide a significand of 64 bits.
    const excess = (r1 * 2 - bHi) * 2 ** 32 + (r0 * 2 - bLo);
    extra = excess < 0 ? 1 : -1;
  }
  roundPack(context, out, sign, exponent, high | 0, digit | 0, extra, context.precision);
}

import type { Context } from "./context.ts";
import {
  BIAS,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  invalid,
  isDenormal,
  NORMAL,
  normalize,
  propagateNaN,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { roundPack } from "./round.ts";
import { multiplyHigh } from "./wide.ts";

const normal = new Float80();

/** FSQRT. `out` may be `a`. */
export function squareRoot(context: Context, out: Float80, a: Float80): void {
  let exponent = a.signExponent & 0x7fff;
  const kind = classify(a);
  if (kind >= QNAN) {
    propagateNaN(context, out, a, kind);
    return;
  }
  if (kind === ZERO) {
    out.copy(a);
    return;
  }
  if ((a.signExponent & SIGN) !== 0) {
    invalid(context, out);
    return;
  }
  if (kind === INFINITY) {
    out.copy(a);
    return;
  }
  if (kind !== NORMAL) {
    if (isDenormal(kind) && denormalOperand(context)) return;
    exponent = normalize(a, normal);
    a = normal;
  }
  // radicand n3:n2:n1:n0 with n0 = 0 and an even exponent, so that the root has 64 bits
  let n3 = a.hi >>> 0;
  let n2 = a.lo >>> 0;
  let n1 = 0;
  if (((exponent - BIAS) & 1) === 0) {
    n1 = (n2 << 31) >>> 0;
    n2 = ((n2 >>> 1) | (n3 << 31)) >>> 0;
    n3 >>>= 1;
  }
  // upper half: root of n3:n2, remainder at most twice the root (33 bits, exact as a double)
  let upper = Math.floor(Math.sqrt(n3 * 2 ** 32 + n2));
  if (upper > 0xffff_ffff) upper = 0xffff_ffff;
  let rest = (n3 - multiplyHigh(upper, upper)) * 2 ** 32 + (n2 - (Math.imul(upper, upper) >>> 0));
  while (rest < 0) {
    upper--;
    rest += 2 * upper + 1;
  }
  while (rest > 2 * upper) {
    rest -= 2 * upper + 1;
    upper++;
  }
  // lower half: (rest:n1) / (2 * upper), then corrected by the exact remainder rest:n1:0 - lower * (2 * upper * 2^32 + lower)
  let lower = Math.floor((rest * 2 ** 32 + n1) / (2 * upper));
  if (lower > 0xffff_ffff) lower = 0xffff_ffff;
  let low = 0 - (Math.imul(lower, lower) >>> 0);
  // high and low: the remainder in units of 2^32 and 1; each product below 2^65 is taken in halves
  const productHigh = multiplyHigh(lower, upper);
  const productLow = Math.imul(lower, upper) >>> 0;
  let high =
    (rest - 2 * productHigh) * 2 ** 32 + (n1 - 2 * productLow) - multiplyHigh(lower, lower);
  if (low < 0) {
    low += 2 ** 32;
    high--;
  }
  // remainder = high * 2^32 + low; add back 2 * root + 1 while negative, where root = upper:lower
  while (high < 0) {
    lower--;
    low += 2 * lower + 1;
    high += 2 * upper;
    if (low > 0xffff_ffff) {
      const carry = Math.floor(low * 2 ** -32);
      low -= carry * 2 ** 32;
      high += carry;
    }
  }
  // and take it away while the remainder is larger than twice the root
  while ((high - 2 * upper) * 2 ** 32 + (low - 2 * lower) > 0) {
    low -= 2 * lower + 1;
    high -= 2 * upper;
    lower++;
    while (low < 0) {
      low += 2 ** 32;
      high--;
    }
  }
  let extra = 0;
  if (high !== 0 || low !== 0) {
    // remainder > root: above half, it cannot be half exactly
    extra = high > upper || (high === upper && low > lower) ? -1 : 1;
  }
  const biased = ((exponent - BIAS) >> 1) + BIAS;
  roundPack(context, out, 0, biased, upper | 0, lower | 0, extra, context.precision);
}

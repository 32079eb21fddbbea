import { C0, C1, C2, C3, type Context, PRECISION_64 } from "./context.ts";
import {
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  invalid,
  isDenormal,
  normalize,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { roundPack } from "./round.ts";
import { below } from "./wide.ts";

const normalA = new Float80();
const normalB = new Float80();

/** FPREM: the quotient is truncated. */
export function truncatedRemainder(context: Context, out: Float80, a: Float80, b: Float80): void {
  remainder(context, out, a, b, false);
}

/** FPREM1: the quotient is rounded to nearest even. */
export function nearestRemainder(context: Context, out: Float80, a: Float80, b: Float80): void {
  remainder(context, out, a, b, true);
}

/**
 * out = a - b * quotient, exactly. C0, C3, C1 raised are bits 2, 1, 0 of the quotient;
 * C2: the exponents were 64 or more apart, and out is only nearer to b.
 */
function remainder(context: Context, out: Float80, a: Float80, b: Float80, nearest: boolean): void {
  const aKind = classify(a);
  const bKind = classify(b);
  if (aKind >= QNAN || bKind >= QNAN) {
    propagateNaNs(context, out, a, aKind, b, bKind);
    return;
  }
  if (aKind === INFINITY || bKind === ZERO) {
    invalid(context, out);
    return;
  }
  if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
  if (aKind === ZERO) {
    out.copy(a);
    return;
  }
  let aExponent = a.signExponent & 0x7fff;
  let bExponent = b.signExponent & 0x7fff;
  if (isDenormal(aKind)) {
    aExponent = normalize(a, normalA);
    a = normalA;
  }
  let sign = a.signExponent & SIGN;
  if (bKind === INFINITY) {
    deliver(context, out, sign, aExponent, a.hi, a.lo);
    return;
  }
  if (isDenormal(bKind)) {
    bExponent = normalize(b, normalB);
    b = normalB;
  }
  const distance = aExponent - bExponent;
  if (distance < 0) {
    let { hi, lo } = a;
    if (nearest && distance === -1 && below(b.hi, b.lo, a.hi, a.lo)) {
      // more than half of b: one b less, which is 2b - a in units of a's last place
      const excessLo = (lo - b.lo) | 0;
      const excessHi = (hi - b.hi - (lo >>> 0 < b.lo >>> 0 ? 1 : 0)) | 0;
      hi = (b.hi - excessHi - (b.lo >>> 0 < excessLo >>> 0 ? 1 : 0)) | 0;
      lo = (b.lo - excessLo) | 0;
      sign ^= SIGN;
      context.raised |= QUOTIENT_BITS[1];
    }
    deliver(context, out, sign, aExponent, hi, lo);
    return;
  }
  let steps = distance;
  if (distance >= 64) {
    // how far one execution goes is left to the implementation, between 32 and 63
    steps = (distance & 31) | 32;
  }
  // long division, one bit a step; carry:hi:lo is the rest, at most twice the divisor
  let { hi, lo } = a;
  let carry = false;
  let quotient = 0;
  for (let step = steps; step >= 0; step--) {
    quotient <<= 1;
    if (carry || !below(hi, lo, b.hi, b.lo)) {
      hi = (hi - b.hi - (lo >>> 0 < b.lo >>> 0 ? 1 : 0)) | 0;
      lo = (lo - b.lo) | 0;
      quotient |= 1;
    }
    if (step > 0) {
      carry = hi < 0;
      hi = (hi << 1) | (lo >>> 31);
      lo <<= 1;
    }
  }
  if (distance >= 64) {
    context.raised |= C2;
  } else {
    if (nearest && roundsToNext(hi, lo, b, quotient)) {
      hi = (b.hi - hi - (b.lo >>> 0 < lo >>> 0 ? 1 : 0)) | 0;
      lo = (b.lo - lo) | 0;
      sign ^= SIGN;
      quotient++;
    }
    context.raised |= QUOTIENT_BITS[quotient & 7];
  }
  deliver(context, out, sign, aExponent - steps, hi, lo);
}

/** Quotient bits 2, 1, 0 in C0, C3, C1. */
const QUOTIENT_BITS = [0, C1, C3, C3 | C1, C0, C0 | C1, C0 | C3, C0 | C3 | C1];

/** Whether the rest hi:lo is nearer to b than to 0, or as near and the quotient odd. */
function roundsToNext(hi: number, lo: number, b: Float80, quotient: number): boolean {
  if (hi < 0) return true;
  const twiceHi = (hi << 1) | (lo >>> 31);
  const twiceLo = lo << 1;
  if (twiceHi === b.hi && twiceLo === b.lo) return (quotient & 1) !== 0;
  return below(b.hi, b.lo, twiceHi, twiceLo);
}

/** An exact result, perhaps tiny, not yet normalized. */
function deliver(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  hi: number,
  lo: number,
): void {
  if (hi === 0) {
    if (lo === 0) {
      out.setZero(sign);
      return;
    }
    hi = lo;
    lo = 0;
    exponent -= 32;
  }
  const places = Math.clz32(hi);
  if (places !== 0) {
    hi = (hi << places) | (lo >>> (32 - places));
    lo <<= places;
  }
  roundPack(context, out, sign, exponent - places, hi, lo, 0, PRECISION_64);
}

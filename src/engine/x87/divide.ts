import { type Context, ZE } from "./context.ts";
import {
  areNormal,
  BIAS,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  invalid,
  isDenormal,
  NORMAL,
  normalize,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { roundPack } from "./round.ts";
import { below, multiplyHigh } from "./wide.ts";

const normalA = new Float80();
const normalB = new Float80();

/** FDIV: out = a / b. `out` may be `a` or `b`. */
export function divide(context: Context, out: Float80, a: Float80, b: Float80): void {
  const ea = a.signExponent & 0x7fff;
  const eb = b.signExponent & 0x7fff;
  if (areNormal(ea, a.hi, eb, b.hi)) {
    const sign = (a.signExponent ^ b.signExponent) & SIGN;
    divideMagnitudes(context, out, sign, ea - eb + BIAS, a, b);
  } else {
    divideSpecial(context, out, a, b);
  }
}

/** At least one is not a normal number. */
function divideSpecial(context: Context, out: Float80, a: Float80, b: Float80): void {
  const aKind = classify(a);
  const bKind = classify(b);
  const sign = (a.signExponent ^ b.signExponent) & SIGN;
  if (aKind >= QNAN || bKind >= QNAN) {
    propagateNaNs(context, out, a, aKind, b, bKind);
    return;
  }
  if (aKind === bKind && (aKind === ZERO || aKind === INFINITY)) {
    invalid(context, out);
    return;
  }
  if (bKind === ZERO && aKind !== INFINITY) {
    context.raised |= ZE;
    out.setInfinity(sign);
    return;
  }
  if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
  if (aKind === INFINITY) {
    out.setInfinity(sign);
    return;
  }
  if (bKind === INFINITY || aKind === ZERO) {
    out.setZero(sign);
    return;
  }
  let ea = a.signExponent & 0x7fff;
  let eb = b.signExponent & 0x7fff;
  if (aKind !== NORMAL) {
    ea = normalize(a, normalA);
    a = normalA;
  }
  if (bKind !== NORMAL) {
    eb = normalize(b, normalB);
    b = normalB;
  }
  divideMagnitudes(context, out, sign, ea - eb + BIAS, a, b);
}

/**
 * Rounds the quotient of two significands with their integer bits set.
 * @param exponent biased, of a quotient from 1 to below 2
 */
function divideMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  a: Float80,
  b: Float80,
): void {
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

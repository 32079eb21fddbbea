import type { Context } from "./context.ts";
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
import { multiplyHigh } from "./wide.ts";

const normalA = new Float80();
const normalB = new Float80();

/** FMUL: out = a * b. `out` may be `a` or `b`. */
export function multiply(context: Context, out: Float80, a: Float80, b: Float80): void {
  const ea = a.signExponent & 0x7fff;
  const eb = b.signExponent & 0x7fff;
  if (areNormal(ea, a.hi, eb, b.hi)) {
    const sign = (a.signExponent ^ b.signExponent) & SIGN;
    multiplyMagnitudes(context, out, sign, ea + eb - BIAS, a, b);
  } else {
    multiplySpecial(context, out, a, b);
  }
}

/** At least one is not a normal number. */
function multiplySpecial(context: Context, out: Float80, a: Float80, b: Float80): void {
  const aKind = classify(a);
  const bKind = classify(b);
  const sign = (a.signExponent ^ b.signExponent) & SIGN;
  if (aKind >= QNAN || bKind >= QNAN) {
    propagateNaNs(context, out, a, aKind, b, bKind);
    return;
  }
  if (aKind === INFINITY ? bKind === ZERO : aKind === ZERO && bKind === INFINITY) {
    invalid(context, out);
    return;
  }
  if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
  if (aKind === INFINITY || bKind === INFINITY) {
    out.setInfinity(sign);
    return;
  }
  if (aKind === ZERO || bKind === ZERO) {
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
  multiplyMagnitudes(context, out, sign, ea + eb - BIAS, a, b);
}

/**
 * Rounds the product of two significands with their integer bits set.
 * @param exponent biased, of a product from 1 to below 2
 */
function multiplyMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  a: Float80,
  b: Float80,
): void {
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

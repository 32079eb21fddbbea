import { C1, type Context, DE, IE, OE, PE, PRECISION_24, PRECISION_53, UE } from "./context.ts";
import {
  BIAS,
  classify,
  type Float80,
  INFINITY,
  INTEGER_BIT,
  QNAN,
  QUIET_BIT,
  SIGN,
  SNAN,
  UNSUPPORTED,
  ZERO,
} from "./float80.ts";
import { roundSignificand, roundsUp, shiftRightSticky } from "./round.ts";

const BIAS_32 = 127;
const BIAS_64 = 1023;

/**
 * A single-precision operand. The value is exact and a NaN stays as it is (signalling
 * too); true if it was denormal, which the 80-bit form no longer shows.
 */
export function fromFloat32(out: Float80, bits: number): boolean {
  const sign = (bits >>> 16) & SIGN;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7f_ffff;
  if (exponent === 0) {
    if (fraction === 0) {
      out.setZero(sign);
      return false;
    }
    const places = Math.clz32(fraction);
    out.set(sign | (BIAS - BIAS_32 + 1 + 8 - places), fraction << places, 0);
    return true;
  }
  const wide = exponent === 0xff ? 0x7fff : exponent - BIAS_32 + BIAS;
  out.set(sign | wide, INTEGER_BIT | (fraction << 8), 0);
  return false;
}

/** A double-precision operand, as {@link fromFloat32}. */
export function fromFloat64(out: Float80, hi: number, lo: number): boolean {
  const sign = (hi >>> 16) & SIGN;
  const exponent = (hi >>> 20) & 0x7ff;
  const upper = ((hi & 0xf_ffff) << 11) | (lo >>> 21);
  const lower = lo << 11;
  if (exponent !== 0) {
    const wide = exponent === 0x7ff ? 0x7fff : exponent - BIAS_64 + BIAS;
    out.set(sign | wide, INTEGER_BIT | upper, lower);
    return false;
  }
  if ((upper | lower) === 0) {
    out.setZero(sign);
    return false;
  }
  if (upper === 0) {
    const places = Math.clz32(lower);
    out.set(sign | (BIAS - BIAS_64 + 1 - 32 - places), lower << places, 0);
  } else {
    const places = Math.clz32(upper);
    const hi64 = (upper << places) | (lower >>> (32 - places));
    out.set(sign | (BIAS - BIAS_64 + 1 - places), hi64, lower << places);
  }
  return true;
}

/**
 * FLD of a single or double operand already taken apart: a signalling NaN becomes
 * quiet with IE, a denormal raises DE.
 */
export function loadFloat(context: Context, x: Float80, denormal: boolean): void {
  if (denormal) context.raised |= DE;
  else if (classify(x) === SNAN) {
    context.raised |= IE;
    x.hi |= QUIET_BIT;
  }
}

/**
 * FST to single precision: 32 bits in out.lo. False if an unmasked exception forbids
 * the store. `out` must not be `a`.
 */
export function toFloat32(context: Context, out: Float80, a: Float80): boolean {
  const exponent = roundToFormat(context, out, a, PRECISION_24, BIAS_32);
  const sign = (out.signExponent & SIGN) << 16;
  out.lo = sign | (exponent << 23) | ((out.hi >>> 8) & 0x7f_ffff);
  return exponent >= 0;
}

/** FST to double precision: 64 bits in out.hi:out.lo, as {@link toFloat32}. */
export function toFloat64(context: Context, out: Float80, a: Float80): boolean {
  const exponent = roundToFormat(context, out, a, PRECISION_53, BIAS_64);
  const sign = (out.signExponent & SIGN) << 16;
  out.lo = (out.hi << 21) | (out.lo >>> 11);
  out.hi = sign | (exponent << 20) | ((out.hi >>> 11) & 0xf_ffff);
  return exponent >= 0;
}

/**
 * Leaves sign and rounded significand (still 64 bits wide) in `out` and returns the
 * exponent field of the format, or -1 if an unmasked exception forbids the store.
 */
function roundToFormat(
  context: Context,
  out: Float80,
  a: Float80,
  precision: number,
  bias: number,
): number {
  const top = 2 * bias + 1;
  const kind = classify(a);
  const sign = a.signExponent & SIGN;
  out.copy(a);
  if (kind === UNSUPPORTED || kind === SNAN) {
    context.raised |= IE;
    if (kind === UNSUPPORTED) out.setIndefinite();
    out.hi |= QUIET_BIT;
    return context.stopped ? -1 : top;
  }
  if (kind === QNAN || kind === INFINITY) return top;
  if (kind === ZERO) return 0;
  const exponent = Math.max(a.signExponent & 0x7fff, 1) - BIAS + bias;
  const raisedBefore = context.raised;
  const carried = roundSignificand(context, out, sign, a.hi, a.lo, 0, precision);
  const rounded = carried ? exponent + 1 : exponent;
  if (rounded >= top) {
    if ((context.control & OE) === 0) {
      // nothing is stored, so that nothing is inexact
      context.raised = raisedBefore | OE;
      return -1;
    }
    context.raised |= OE | PE;
    if (roundsUp(context, sign, 1, -1)) {
      context.raised |= C1;
      out.setInfinity(sign);
      return top;
    }
    context.raised &= ~C1;
    out.set(sign, -1, -1);
    return top - 1;
  }
  if (rounded > 0) return rounded;
  if ((context.control & UE) === 0) {
    context.raised = raisedBefore | UE;
    return -1;
  }
  context.raised = raisedBefore;
  const extra = shiftRightSticky(out, a.hi, a.lo, 0, 1 - exponent);
  roundSignificand(context, out, sign, out.hi, out.lo, extra, precision);
  if ((context.raised & PE) !== 0) context.raised |= UE;
  return out.hi < 0 ? 1 : 0;
}

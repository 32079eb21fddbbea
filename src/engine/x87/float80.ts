import { type Context, DE, IE } from "./context.ts";

/**
 * A double extended-precision number: sign (bit 15) and biased exponent in
 * `signExponent`, 0..0xffff; the 64-bit significand with its explicit integer bit
 * in `hi` and `lo`, both int32 bit patterns (so that they stay small integers).
 */
export class Float80 {
  signExponent = 0;
  hi = 0;
  lo = 0;

  set(signExponent: number, hi: number, lo: number): void {
    this.signExponent = signExponent;
    this.hi = hi;
    this.lo = lo;
  }

  copy(from: Float80): void {
    this.signExponent = from.signExponent;
    this.hi = from.hi;
    this.lo = from.lo;
  }

  setInfinity(sign: number): void {
    this.set(sign | 0x7fff, INTEGER_BIT, 0);
  }

  setZero(sign: number): void {
    this.set(sign, 0, 0);
  }

  /** The QNaN floating-point indefinite: the masked answer to an invalid operation. */
  setIndefinite(): void {
    this.set(0xffff, 0xc000_0000 | 0, 0);
  }
}

export const SIGN = 0x8000;
export const BIAS = 0x3fff;
/** Bit 63 of a significand, in `hi`. */
export const INTEGER_BIT = 0x8000_0000 | 0;
/** Bit 62, in `hi`: set in a quiet NaN. */
export const QUIET_BIT = 0x4000_0000;

/** Classes of Intel SDM vol. 1, 4.8.3 and 8.2.2, ordered so that a comparison names a group. */
export const NORMAL = 0;
export const ZERO = 1;
export const DENORMAL = 2;
/** Exponent 0 with the integer bit set: taken as exponent 1, and a denormal operand. */
export const PSEUDO_DENORMAL = 3;
export const INFINITY = 4;
export const QNAN = 5;
export const SNAN = 6;
/** Integer bit clear where the exponent wants it: unnormal, pseudo-infinity, pseudo-NaN. */
export const UNSUPPORTED = 7;

/** One of {@link NORMAL} .. {@link UNSUPPORTED}. */
export function classify(x: Float80): number {
  const exponent = x.signExponent & 0x7fff;
  const hi = x.hi;
  if (exponent === 0) {
    if ((hi | x.lo) === 0) return ZERO;
    return hi < 0 ? PSEUDO_DENORMAL : DENORMAL;
  }
  if (hi >= 0) return UNSUPPORTED;
  if (exponent !== 0x7fff) return NORMAL;
  if (hi === INTEGER_BIT && x.lo === 0) return INFINITY;
  return (hi & QUIET_BIT) !== 0 ? QNAN : SNAN;
}

/** Whether both operands, given by exponent and upper significand, are of class {@link NORMAL}. */
export function areNormal(ea: number, aHi: number, eb: number, bHi: number): boolean {
  return (aHi & bHi) < 0 && (ea - 1) >>> 0 < 0x7ffe && (eb - 1) >>> 0 < 0x7ffe;
}

/** A class for which DE is raised. */
export function isDenormal(kind: number): boolean {
  return kind === DENORMAL || kind === PSEUDO_DENORMAL;
}

/**
 * Replaces a denormal or pseudo-denormal by the same value with its integer bit
 * set. The returned exponent may be 0 or negative and is not stored.
 */
export function normalize(x: Float80, out: Float80): number {
  let { hi, lo } = x;
  let exponent = 1;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exponent -= 32;
  }
  const shift = Math.clz32(hi);
  if (shift !== 0) {
    hi = (hi << shift) | (lo >>> (32 - shift));
    lo <<= shift;
  }
  out.set(x.signExponent & SIGN, hi, lo);
  return exponent - shift;
}

/** Raises DE; true if it is unmasked, and nothing must be computed. */
export function denormalOperand(context: Context): boolean {
  context.raised |= DE;
  return (context.control & DE) === 0;
}

/** Raises IE with its masked answer. */
export function invalid(context: Context, out: Float80): void {
  context.raised |= IE;
  out.setIndefinite();
}

/** One operand that is a NaN or unsupported (class >= {@link QNAN}): the quiet answer. */
export function propagateNaN(context: Context, out: Float80, x: Float80, kind: number): void {
  if (kind === UNSUPPORTED) {
    invalid(context, out);
    return;
  }
  if (kind === SNAN) context.raised |= IE;
  out.set(x.signExponent, x.hi | QUIET_BIT, x.lo);
}

/** Two operands of which at least one is of class >= {@link QNAN}: Intel SDM vol. 1, table 4-7. */
export function propagateNaNs(
  context: Context,
  out: Float80,
  a: Float80,
  aKind: number,
  b: Float80,
  bKind: number,
): void {
  if (aKind === UNSUPPORTED || bKind === UNSUPPORTED) {
    invalid(context, out);
    return;
  }
  if (aKind === SNAN || bKind === SNAN) context.raised |= IE;
  let from: Float80;
  if (aKind < QNAN) from = b;
  else if (bKind < QNAN) from = a;
  // of a signalling and a quiet one, the quiet
  else if (aKind !== bKind) from = aKind === QNAN ? a : b;
  else from = largerSignificand(a, b);
  out.set(from.signExponent, from.hi | QUIET_BIT, from.lo);
}

/** Equal significands: the positive one. */
function largerSignificand(a: Float80, b: Float80): Float80 {
  if (a.hi !== b.hi) return a.hi >>> 0 > b.hi >>> 0 ? a : b;
  if (a.lo !== b.lo) return a.lo >>> 0 > b.lo >>> 0 ? a : b;
  return (a.signExponent & SIGN) !== 0 ? b : a;
}

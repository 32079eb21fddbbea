import {
  C1,
  type Context,
  IE,
  OE,
  PE,
  PRECISION_64,
  ZERO as TOWARDS_ZERO,
  UE,
  ZE,
} from "./context.ts";
import {
  BIAS,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  INTEGER_BIT,
  invalid,
  isDenormal,
  normalize,
  propagateNaN,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { EXPONENT_WRAP, roundPack, roundsUp, shiftRightSticky } from "./round.ts";

const scratch = new Float80();

/**
 * Rounds |a| to an integer in out.hi:out.lo, raising PE and C1.
 * @param a zero or finite, below 2^64
 */
export function roundMagnitude(context: Context, out: Float80, a: Float80, rounding: number): void {
  const exponent = a.signExponent & 0x7fff;
  const extra = shiftRightSticky(out, a.hi, a.lo, 0, BIAS + 63 - exponent);
  if (extra === 0) return;
  context.raised |= PE;
  if (rounding !== TOWARDS_ZERO && roundsUp(context, a.signExponent & SIGN, out.lo & 1, extra)) {
    context.raised |= C1;
    out.lo = (out.lo + 1) | 0;
    if (out.lo === 0) out.hi = (out.hi + 1) | 0;
  }
}

/** FRNDINT. `out` may be `a`. */
export function roundToInteger(context: Context, out: Float80, a: Float80): void {
  const kind = classify(a);
  if (kind >= QNAN) {
    propagateNaN(context, out, a, kind);
    return;
  }
  if (isDenormal(kind) && denormalOperand(context)) return;
  if (kind === ZERO || (a.signExponent & 0x7fff) >= BIAS + 63) {
    out.copy(a);
    return;
  }
  const sign = a.signExponent & SIGN;
  roundMagnitude(context, scratch, a, context.rounding);
  setInteger(out, sign, scratch.hi, scratch.lo);
}

/** The magnitude hi:lo with a sign, exactly. */
export function setInteger(out: Float80, sign: number, hi: number, lo: number): void {
  let exponent = BIAS + 63;
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
  out.set(sign | (exponent - places), hi, lo);
}

/** FSCALE: out = a * 2^trunc(b). */
export function scale(context: Context, out: Float80, a: Float80, b: Float80): void {
  const aKind = classify(a);
  const bKind = classify(b);
  if (aKind >= QNAN || bKind >= QNAN) {
    propagateNaNs(context, out, a, aKind, b, bKind);
    return;
  }
  const sign = a.signExponent & SIGN;
  const down = (b.signExponent & SIGN) !== 0;
  if (bKind === INFINITY && aKind === (down ? INFINITY : ZERO)) {
    invalid(context, out);
    return;
  }
  if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
  if (bKind === INFINITY) {
    down ? out.setZero(sign) : out.setInfinity(sign);
    return;
  }
  if (aKind === ZERO || aKind === INFINITY) {
    out.copy(a);
    return;
  }
  let exponent = a.signExponent & 0x7fff;
  if (isDenormal(aKind)) {
    exponent = normalize(a, scratch);
    a = scratch;
  }
  // 16 bits of scale reach across the whole range of exponents
  const bits = (b.signExponent & 0x7fff) - BIAS;
  let by = bits < 0 ? 0 : bits > 15 ? 0x1_0000 : b.hi >>> (31 - bits);
  if (down) by = -by;
  exponent += by;
  // so far out that even an unmasked response has no exponent for it
  if (exponent - EXPONENT_WRAP > 0x7ffe && (context.control & OE) === 0) {
    context.raised |= OE | PE | C1;
    out.setInfinity(sign);
    return;
  }
  if (exponent + EXPONENT_WRAP < 1 && (context.control & UE) === 0) {
    context.raised |= UE | PE;
    out.setZero(sign);
    return;
  }
  roundPack(context, out, sign, exponent, a.hi, a.lo, 0, PRECISION_64);
}

/**
 * FXTRACT: the exponent of `a` as a number, and `a` with exponent 0.
 * Neither output may be `a`. Always in range.
 */
export function extract(
  context: Context,
  exponentOut: Float80,
  significandOut: Float80,
  a: Float80,
): boolean {
  const kind = classify(a);
  const sign = a.signExponent & SIGN;
  if (kind >= QNAN) {
    propagateNaN(context, exponentOut, a, kind);
    significandOut.copy(exponentOut);
    return true;
  }
  if (kind === ZERO) {
    context.raised |= ZE;
    exponentOut.setInfinity(SIGN);
    significandOut.copy(a);
    return true;
  }
  if (kind === INFINITY) {
    exponentOut.setInfinity(0);
    significandOut.copy(a);
    return true;
  }
  let exponent = a.signExponent & 0x7fff;
  significandOut.copy(a);
  if (isDenormal(kind)) {
    if (denormalOperand(context)) return true;
    exponent = normalize(a, significandOut);
  }
  significandOut.signExponent = sign | BIAS;
  exponent -= BIAS;
  setInteger(exponentOut, exponent < 0 ? SIGN : 0, 0, Math.abs(exponent));
  return true;
}

/**
 * FIST, FISTT: a two's complement integer of `bits` in out.hi:out.lo (sign-extended
 * into neither: only the low `bits` count). Out of range: IE and the integer indefinite.
 */
export function toInteger(
  context: Context,
  out: Float80,
  a: Float80,
  bits: 16 | 32 | 64,
  rounding: number,
): void {
  const kind = classify(a);
  const negative = (a.signExponent & SIGN) !== 0;
  if (kind < QNAN && (a.signExponent & 0x7fff) < BIAS + 64) {
    const before = context.raised;
    roundMagnitude(context, out, a, rounding);
    if (fits(out.hi, out.lo, bits, negative)) {
      if (negative) {
        out.lo = -out.lo | 0;
        out.hi = (~out.hi + (out.lo === 0 ? 1 : 0)) | 0;
      }
      return;
    }
    context.raised = before;
  }
  context.raised |= IE;
  out.hi = INTEGER_BIT;
  out.lo = bits === 64 ? 0 : bits === 32 ? INTEGER_BIT : 0x8000;
}

function fits(hi: number, lo: number, bits: 16 | 32 | 64, negative: boolean): boolean {
  if (bits === 64) return hi >= 0 || (negative && hi === INTEGER_BIT && lo === 0);
  const limit = 2 ** (bits - 1);
  return hi === 0 && lo >>> 0 < (negative ? limit + 1 : limit);
}

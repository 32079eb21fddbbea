import {
  C1,
  type Context,
  DOWN,
  NEAREST,
  OE,
  PE,
  PRECISION_24,
  PRECISION_53,
  UE,
  UP,
} from "./context.ts";
import { type Float80, INTEGER_BIT } from "./float80.ts";

/** Added to or taken from the exponent of an unmasked underflow or overflow (Intel SDM vol. 1, 8.5.4). */
export const EXPONENT_WRAP = 24576;

/**
 * Whether a significand with last bit `odd` is rounded away from zero.
 * @param sign 0 or 0x8000
 * @param extra the bits below the last one as int32: bit 31 is worth half, the rest is sticky; not 0
 */
export function roundsUp(context: Context, sign: number, odd: number, extra: number): boolean {
  switch (context.rounding) {
    case NEAREST:
      return extra < 0 && ((extra & 0x7fff_ffff) !== 0 || odd !== 0);
    case DOWN:
      return sign !== 0;
    case UP:
      return sign === 0;
    default:
      return false;
  }
}

/**
 * Shifts the 96-bit hi:lo:extra right and keeps in bit 0 of the returned extra
 * whether anything was lost. The upper words go to `out`.
 */
export function shiftRightSticky(
  out: Float80,
  hi: number,
  lo: number,
  extra: number,
  count: number,
): number {
  if (count >= 32) {
    // beyond 96 places everything is lost, however far
    for (count = Math.min(count, 128); count >= 32; count -= 32) {
      extra = lo | (extra !== 0 ? 1 : 0);
      lo = hi;
      hi = 0;
    }
  }
  if (count !== 0) {
    const up = 32 - count;
    extra = (extra >>> count) | (lo << up) | (extra << up !== 0 ? 1 : 0);
    lo = (lo >>> count) | (hi << up);
    hi >>>= count;
  }
  out.hi = hi | 0;
  out.lo = lo;
  return extra;
}

/**
 * Rounds the magnitude hi:lo.extra to 24, 53 or 64 bits into `out`, raising PE
 * and C1. True if it grew to the next power of two (out is then 1.0).
 */
export function roundSignificand(
  context: Context,
  out: Float80,
  sign: number,
  hi: number,
  lo: number,
  extra: number,
  precision: number,
): boolean {
  let unitHi = 0;
  let unitLo = 1;
  if (precision === PRECISION_53) {
    extra = (lo << 21) | (extra >>> 11) | (extra !== 0 ? 1 : 0);
    lo &= ~0x7ff;
    unitLo = 0x800;
  } else if (precision === PRECISION_24) {
    extra = (hi << 24) | (lo >>> 8) | ((lo | extra) !== 0 ? 1 : 0);
    hi &= ~0xff;
    lo = 0;
    unitHi = 0x100;
    unitLo = 0;
  }
  let carried = false;
  if (extra !== 0) {
    context.raised |= PE;
    if (roundsUp(context, sign, (hi & unitHi) | (lo & unitLo), extra)) {
      context.raised |= C1;
      const old = hi;
      lo = (lo + unitLo) | 0;
      hi = (hi + unitHi + (unitLo !== 0 && lo === 0 ? 1 : 0)) | 0;
      carried = old < 0 && hi >= 0;
      if (carried) hi = INTEGER_BIT;
    }
  }
  out.hi = hi;
  out.lo = lo;
  return carried;
}

/**
 * Delivers the value (hi:lo.extra) * 2^(exponent - 0x3fff - 63), integer bit set, to
 * an FPU register: rounded to `precision`, with overflow and underflow masked or
 * not. Tininess is detected after rounding.
 */
export function roundPack(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  hi: number,
  lo: number,
  extra: number,
  precision: number,
): void {
  if (exponent > 0 && exponent < 0x7ffe && (precision & 1) !== 0) {
    if (extra !== 0) {
      context.raised |= PE;
      if (roundsUp(context, sign, lo & 1, extra)) {
        context.raised |= C1;
        lo = (lo + 1) | 0;
        if (lo === 0) {
          hi = (hi + 1) | 0;
          if (hi === 0) {
            hi = INTEGER_BIT;
            exponent++;
          }
        }
      }
    }
    out.signExponent = sign | exponent;
    out.hi = hi;
    out.lo = lo;
    return;
  }
  roundPackSlowly(context, out, sign, exponent, hi, lo, extra, precision);
}

/** {@link roundPack} near the limits of the exponent, and to less than 64 bits. */
function roundPackSlowly(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  hi: number,
  lo: number,
  extra: number,
  precision: number,
): void {
  const raisedBefore = context.raised;
  const carried = roundSignificand(context, out, sign, hi, lo, extra, precision);
  const rounded = carried ? exponent + 1 : exponent;
  if (rounded > 0x7ffe) {
    overflow(context, out, sign, rounded, precision);
  } else if (rounded > 0) {
    out.signExponent = sign | rounded;
  } else if ((context.control & UE) === 0) {
    context.raised |= UE;
    out.signExponent = sign | (rounded + EXPONENT_WRAP);
  } else {
    // that told only that it is tiny: a denormal is rounded once, at its own last place
    context.raised = raisedBefore;
    extra = shiftRightSticky(out, hi, lo, extra, 1 - exponent);
    roundSignificand(context, out, sign, out.hi, out.lo, extra, precision);
    if ((context.raised & PE) !== 0) context.raised |= UE;
    out.signExponent = sign | (out.hi < 0 ? 1 : 0);
  }
}

function overflow(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  precision: number,
): void {
  context.raised |= OE;
  if ((context.control & OE) === 0) {
    out.signExponent = sign | (exponent - EXPONENT_WRAP);
    return;
  }
  context.raised |= PE;
  if (roundsUp(context, sign, 1, -1)) {
    context.raised |= C1;
    out.setInfinity(sign);
  } else {
    context.raised &= ~C1;
    const hi = precision === PRECISION_24 ? ~0xff : -1;
    const lo = precision === PRECISION_24 ? 0 : precision === PRECISION_53 ? ~0x7ff : -1;
    out.set(sign | 0x7ffe, hi, lo);
  }
}

import { type Context, DOWN } from "./context.ts";
import {
  areNormal,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  INTEGER_BIT,
  invalid,
  isDenormal,
  normalize,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { roundPack, shiftRightSticky } from "./round.ts";
import { below } from "./wide.ts";

const normalA = new Float80();
const normalB = new Float80();
const aligned = new Float80();

/** FADD: out = a + b. `out` may be `a` or `b`. */
export function add(context: Context, out: Float80, a: Float80, b: Float80): void {
  addSigned(context, out, a, b, 0);
}

/** FSUB: out = a - b. */
export function subtract(context: Context, out: Float80, a: Float80, b: Float80): void {
  addSigned(context, out, a, b, SIGN);
}

/** @param flip {@link SIGN} to change the sign of b, unless b is a NaN */
function addSigned(context: Context, out: Float80, a: Float80, b: Float80, flip: number): void {
  const ea = a.signExponent & 0x7fff;
  const eb = b.signExponent & 0x7fff;
  if (areNormal(ea, a.hi, eb, b.hi)) {
    const signB = (b.signExponent & SIGN) ^ flip;
    addFinite(context, out, a.signExponent & SIGN, ea, a, signB, eb, b);
  } else {
    addSpecial(context, out, a, b, flip);
  }
}

/** At least one is not a normal number. */
function addSpecial(context: Context, out: Float80, a: Float80, b: Float80, flip: number): void {
  const aKind = classify(a);
  const bKind = classify(b);
  const signA = a.signExponent & SIGN;
  const signB = (b.signExponent & SIGN) ^ flip;
  if (aKind >= QNAN || bKind >= QNAN) {
    propagateNaNs(context, out, a, aKind, b, bKind);
    return;
  }
  if (aKind === INFINITY && bKind === INFINITY) {
    if (signA !== signB) {
      invalid(context, out);
      return;
    }
    out.setInfinity(signA);
    return;
  }
  if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
  if (aKind === INFINITY) {
    out.setInfinity(signA);
    return;
  }
  if (bKind === INFINITY) {
    out.setInfinity(signB);
    return;
  }
  if (aKind === ZERO && bKind === ZERO) {
    out.setZero(signA === signB ? signA : zeroSign(context));
    return;
  }
  let ea = a.signExponent & 0x7fff;
  let eb = b.signExponent & 0x7fff;
  if (isDenormal(aKind)) {
    ea = normalize(a, normalA);
    a = normalA;
  }
  if (isDenormal(bKind)) {
    eb = normalize(b, normalB);
    b = normalB;
  }
  // a zero only brings the other operand to rounding
  if (aKind === ZERO) {
    roundPack(context, out, signB, eb, b.hi, b.lo, 0, context.precision);
    return;
  }
  if (bKind === ZERO) {
    roundPack(context, out, signA, ea, a.hi, a.lo, 0, context.precision);
    return;
  }
  addFinite(context, out, signA, ea, a, signB, eb, b);
}

/** Both with their integer bits set; their exponents and signs come apart from them. */
function addFinite(
  context: Context,
  out: Float80,
  signA: number,
  ea: number,
  a: Float80,
  signB: number,
  eb: number,
  b: Float80,
): void {
  if (signA === signB) {
    if (ea >= eb) addMagnitudes(context, out, signA, ea, a, ea - eb, b);
    else addMagnitudes(context, out, signA, eb, b, eb - ea, a);
  } else if (ea > eb || (ea === eb && !below(a.hi, a.lo, b.hi, b.lo))) {
    subtractMagnitudes(context, out, signA, ea, a, ea - eb, b);
  } else {
    subtractMagnitudes(context, out, signB, eb, b, eb - ea, a);
  }
}

/** The sign of an exact zero difference. */
function zeroSign(context: Context): number {
  return context.rounding === DOWN ? SIGN : 0;
}

/** a + b * 2^-shift, both significands with their integer bit set. */
function addMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  a: Float80,
  shift: number,
  b: Float80,
): void {
  let extra = shiftRightSticky(aligned, b.hi, b.lo, 0, shift);
  const lo = (a.lo + aligned.lo) | 0;
  const carry = lo >>> 0 < a.lo >>> 0 ? 1 : 0;
  const sum = (a.hi >>> 0) + (aligned.hi >>> 0) + carry;
  const hi = sum | 0;
  if (sum <= 0xffff_ffff) {
    roundPack(context, out, sign, exponent, hi, lo, extra, context.precision);
    return;
  }
  extra = (lo << 31) | (extra >>> 1) | (extra & 1);
  const halfHi = (hi >>> 1) | INTEGER_BIT;
  const halfLo = (lo >>> 1) | (hi << 31);
  roundPack(context, out, sign, exponent + 1, halfHi, halfLo, extra, context.precision);
}

/** a - b * 2^-shift, not negative. */
function subtractMagnitudes(
  context: Context,
  out: Float80,
  sign: number,
  exponent: number,
  a: Float80,
  shift: number,
  b: Float80,
): void {
  let extra = -shiftRightSticky(aligned, b.hi, b.lo, 0, shift) | 0;
  const low = (a.lo >>> 0) - (aligned.lo >>> 0) - (extra !== 0 ? 1 : 0);
  let lo = low | 0;
  let hi = (a.hi - aligned.hi - (low < 0 ? 1 : 0)) | 0;
  if (hi >= 0) {
    if ((hi | lo | extra) === 0) {
      out.setZero(zeroSign(context));
      return;
    }
    // by more than one place only where shift < 2: then extra holds every bit
    while (hi === 0) {
      hi = lo;
      lo = extra;
      extra = 0;
      exponent -= 32;
    }
    const places = Math.clz32(hi);
    if (places !== 0) {
      const down = 32 - places;
      hi = (hi << places) | (lo >>> down);
      lo = (lo << places) | (extra >>> down);
      extra <<= places;
      exponent -= places;
    }
  }
  roundPack(context, out, sign, exponent, hi, lo, extra, context.precision);
}

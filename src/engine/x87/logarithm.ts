import { type Context, PE, UE, ZE } from "./context.ts";
import {
  binaryLog,
  FRACTION_BITS,
  exponentialMinus1 as fixedExponential,
  LN_2,
  ONE,
} from "./fixed-point.ts";
import {
  BIAS,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  INTEGER_BIT,
  invalid,
  isDenormal,
  NORMAL,
  normalize,
  propagateNaN,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { deliver, setOne, significand } from "./transcendental.ts";

const normalX = new Float80();
const normalY = new Float80();
const FIXED = -Number(FRACTION_BITS);
const LOG2_E = (ONE << FRACTION_BITS) / LN_2;
/** Below 2^-70 the first term of a series is the whole of it to more than 64 bits. */
const TINY = BIAS - 70;

/** F2XM1: 2^a - 1 for |a| <= 1. */
export function exponentialMinus1(context: Context, out: Float80, a: Float80): void {
  const kind = classify(a);
  if (kind >= QNAN) {
    propagateNaN(context, out, a, kind);
    return;
  }
  const sign = a.signExponent & SIGN;
  if (kind === ZERO) {
    out.copy(a);
    return;
  }
  if (kind === INFINITY) {
    if (sign === 0) out.setInfinity(0);
    else setOne(out, SIGN);
    return;
  }
  let exponent = a.signExponent & 0x7fff;
  if (isDenormal(kind)) {
    if (denormalOperand(context)) return;
    exponent = normalize(a, normalX);
    a = normalX;
  }
  if (exponent >= BIAS) {
    // 1 and -1; beyond them the result is undefined, and silicon leaves the operand
    context.raised |= PE;
    if (exponent > BIAS || a.hi !== INTEGER_BIT || a.lo !== 0 || sign === 0) out.copy(a);
    else out.set(SIGN | (BIAS - 1), INTEGER_BIT, 0);
    return;
  }
  const scale = exponent - BIAS - 63;
  if (exponent < TINY) {
    deliver(context, out, sign, significand(a) * LN_2, scale + FIXED, false);
    return;
  }
  const x = (significand(a) * LN_2) >> BigInt(-scale);
  const value = fixedExponential(sign === 0 ? x : -x);
  deliver(context, out, sign, value < 0n ? -value : value, FIXED, false);
}

/** FYL2X: y * log2 x (Intel SDM vol. 2, table 3-57). */
export function logarithm(context: Context, out: Float80, y: Float80, x: Float80): void {
  const yKind = classify(y);
  const xKind = classify(x);
  if (yKind >= QNAN || xKind >= QNAN) {
    propagateNaNs(context, out, y, yKind, x, xKind);
    return;
  }
  const sign = y.signExponent & SIGN;
  if (xKind === ZERO) {
    if (yKind === ZERO) {
      invalid(context, out);
      return;
    }
    if (yKind !== INFINITY) context.raised |= ZE;
    out.setInfinity(sign ^ SIGN);
    return;
  }
  if ((x.signExponent & SIGN) !== 0) {
    invalid(context, out);
    return;
  }
  let xExponent = x.signExponent & 0x7fff;
  const isOne = xExponent === BIAS && x.hi === INTEGER_BIT && x.lo === 0;
  if (xKind === INFINITY ? yKind === ZERO : isOne && yKind === INFINITY) {
    invalid(context, out);
    return;
  }
  if ((isDenormal(yKind) || isDenormal(xKind)) && denormalOperand(context)) return;
  const logSign = xExponent < BIAS ? SIGN : 0;
  if (xKind === INFINITY || yKind === INFINITY) {
    out.setInfinity(sign ^ logSign);
    return;
  }
  if (isOne || yKind === ZERO) {
    out.setZero(sign ^ logSign);
    return;
  }
  if (isDenormal(xKind)) {
    xExponent = normalize(x, normalX);
    x = normalX;
  }
  const scale = xExponent - BIAS - 63;
  if (x.hi === INTEGER_BIT && x.lo === 0) {
    deliverProduct(context, out, sign, y, BigInt(scale + 63), 0, true);
    return;
  }
  deliverProduct(context, out, sign, y, binaryLog(significand(x), scale), FIXED, false);
}

/**
 * FYL2XP1: y * log2(x + 1) (Intel SDM vol. 2, table 3-58). Beyond the range of the
 * manual, which ends at 1 - sqrt(1/2), the formula holds as long as it can; from -1 down
 * the result is x, as silicon has it.
 */
export function logarithmPlus1(context: Context, out: Float80, y: Float80, x: Float80): void {
  const yKind = classify(y);
  const xKind = classify(x);
  if (yKind >= QNAN || xKind >= QNAN) {
    propagateNaNs(context, out, y, yKind, x, xKind);
    return;
  }
  const sign = y.signExponent & SIGN;
  const logSign = x.signExponent & SIGN;
  let exponent = x.signExponent & 0x7fff;
  if (xKind === INFINITY ? logSign !== 0 || yKind === ZERO : xKind === ZERO && yKind === INFINITY) {
    invalid(context, out);
    return;
  }
  if ((isDenormal(yKind) || isDenormal(xKind)) && denormalOperand(context)) return;
  if (yKind === INFINITY || xKind === INFINITY) {
    out.setInfinity(sign ^ logSign);
    return;
  }
  if (yKind === ZERO || xKind === ZERO) {
    out.setZero(sign ^ logSign);
    return;
  }
  if (logSign !== 0 && exponent >= BIAS) {
    context.raised |= PE;
    out.copy(x);
    return;
  }
  if (xKind !== NORMAL) {
    exponent = normalize(x, normalX);
    x = normalX;
  }
  const scale = exponent - BIAS - 63;
  const magnitude = significand(x);
  if (exponent < TINY) {
    const log = magnitude * (logSign === 0 ? LOG2_E : -LOG2_E);
    deliverProduct(context, out, sign, y, log, scale + FIXED, false);
    return;
  }
  let log: bigint;
  if (scale > 128) {
    log = binaryLog(magnitude, scale);
  } else {
    // 1 + x exactly, in units of 2^-256
    const addend = magnitude << (FRACTION_BITS + BigInt(scale));
    log = binaryLog(ONE + (logSign === 0 ? addend : -addend), FIXED);
  }
  // exact where 1 + x is a power of two
  deliverProduct(context, out, sign, y, log, FIXED, (log & (ONE - 1n)) === 0n);
}

/** y * (log * 2^scale), y finite and not zero. Silicon calls an exact one inexact, as it does all others. */
function deliverProduct(
  context: Context,
  out: Float80,
  sign: number,
  y: Float80,
  log: bigint,
  scale: number,
  exact: boolean,
): void {
  let exponent = y.signExponent & 0x7fff;
  if (exponent === 0) {
    exponent = normalize(y, normalY);
    y = normalY;
  }
  const magnitude = significand(y) * (log < 0n ? -log : log);
  deliver(
    context,
    out,
    log < 0n ? sign ^ SIGN : sign,
    magnitude,
    scale + exponent - BIAS - 63,
    exact,
  );
  if (exact) context.raised |= (out.signExponent & 0x7fff) === 0 ? PE | UE : PE;
}

import type { Context } from "./context.ts";
import { FRACTION_BITS, arctangent as fixedArctangent, PI } from "./fixed-point.ts";
import {
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  isDenormal,
  normalize,
  propagateNaNs,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { deliver, significand } from "./transcendental.ts";

const normalX = new Float80();
const normalY = new Float80();
const FIXED = -Number(FRACTION_BITS);
/** Where exponents are this far apart, the angle is the ratio itself to more than 64 bits. */
const FAR = 70;

/** FPATAN: the angle of the point (x, y), from -pi to pi (Intel SDM vol. 2, table 3-30). */
export function arctangent(context: Context, out: Float80, y: Float80, x: Float80): void {
  const yKind = classify(y);
  const xKind = classify(x);
  if (yKind >= QNAN || xKind >= QNAN) {
    propagateNaNs(context, out, y, yKind, x, xKind);
    return;
  }
  if ((isDenormal(yKind) || isDenormal(xKind)) && denormalOperand(context)) return;
  const sign = y.signExponent & SIGN;
  const left = (x.signExponent & SIGN) !== 0;
  if (yKind === INFINITY) {
    const eighths = xKind !== INFINITY ? 4n : left ? 6n : 2n;
    deliver(context, out, sign, (PI * eighths) >> 3n, FIXED, false);
    return;
  }
  if (yKind === ZERO || xKind === INFINITY) {
    if (left) {
      deliver(context, out, sign, PI, FIXED, false);
      return;
    }
    out.setZero(sign);
    return;
  }
  if (xKind === ZERO) {
    deliver(context, out, sign, PI >> 1n, FIXED, false);
    return;
  }
  let yExponent = y.signExponent & 0x7fff;
  let xExponent = x.signExponent & 0x7fff;
  if (isDenormal(yKind)) {
    yExponent = normalize(y, normalY);
    y = normalY;
  }
  if (isDenormal(xKind)) {
    xExponent = normalize(x, normalX);
    x = normalX;
  }
  const distance = yExponent - xExponent;
  const ySignificand = significand(y);
  const xSignificand = significand(x);
  if (distance < -FAR && !left) {
    // a trace below the ratio
    const ratio = ((ySignificand << 192n) - 1n) / xSignificand;
    deliver(context, out, sign, ratio, distance - 192, false);
    return;
  }
  deliver(context, out, sign, angle(distance, ySignificand, xSignificand, left), FIXED, false);
}

/** The angle of (+-x, y) with y/x = (y/x as integers) * 2^distance. */
function angle(distance: number, y: bigint, x: bigint, left: boolean): bigint {
  let fromAxis: bigint;
  if (distance < 0 || (distance === 0 && y <= x)) {
    fromAxis = fixedArctangent(ratio(y, x, -distance));
  } else {
    fromAxis = (PI >> 1n) - fixedArctangent(ratio(x, y, distance));
  }
  return left ? PI - fromAxis : fromAxis;
}

/** a / b * 2^-down in fixed point; one unit where it is less. */
function ratio(a: bigint, b: bigint, down: number): bigint {
  return down > 250 ? 1n : ((a << FRACTION_BITS) / b) >> BigInt(down);
}

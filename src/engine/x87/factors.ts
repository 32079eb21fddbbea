import { type Context, ZE } from "./context.ts";
import {
  areNormal,
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

const normalA = new Float80();
const normalB = new Float80();

/** Rounds the product or quotient of two significands with their integer bits set; exponents come apart from them. */
type Magnitudes = (
  context: Context,
  out: Float80,
  sign: number,
  ea: number,
  a: Float80,
  eb: number,
  b: Float80,
) => void;

/**
 * out = a * b, or a / b, by way of `magnitudes`. `out` may be `a` or `b`. The special operands of
 * both are one table (Intel SDM vol. 2, FMUL and FDIV), since to divide by zero or infinity
 * is to multiply by the other; only that dividing by zero raises ZE.
 */
export function combine(
  context: Context,
  out: Float80,
  a: Float80,
  b: Float80,
  divides: boolean,
  magnitudes: Magnitudes,
): void {
  let ea = a.signExponent & 0x7fff;
  let eb = b.signExponent & 0x7fff;
  const sign = (a.signExponent ^ b.signExponent) & SIGN;
  if (!areNormal(ea, a.hi, eb, b.hi)) {
    const aKind = classify(a);
    const bKind = classify(b);
    if (aKind >= QNAN || bKind >= QNAN) {
      propagateNaNs(context, out, a, aKind, b, bKind);
      return;
    }
    const factor = divides ? reciprocal(bKind) : bKind;
    if (aKind === INFINITY ? factor === ZERO : aKind === ZERO && factor === INFINITY) {
      invalid(context, out);
      return;
    }
    if (divides && bKind === ZERO && aKind !== INFINITY) {
      context.raised |= ZE;
      out.setInfinity(sign);
      return;
    }
    if ((isDenormal(aKind) || isDenormal(bKind)) && denormalOperand(context)) return;
    if (aKind === INFINITY || factor === INFINITY) {
      out.setInfinity(sign);
      return;
    }
    if (aKind === ZERO || factor === ZERO) {
      out.setZero(sign);
      return;
    }
    if (isDenormal(aKind)) {
      ea = normalize(a, normalA);
      a = normalA;
    }
    if (isDenormal(bKind)) {
      eb = normalize(b, normalB);
      b = normalB;
    }
  }
  magnitudes(context, out, sign, ea, a, eb, b);
}

/** The class of 1 / x. */
function reciprocal(kind: number): number {
  return kind === ZERO ? INFINITY : kind === INFINITY ? ZERO : kind;
}

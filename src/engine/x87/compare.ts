import { C0, C2, C3, type Context, DE, IE } from "./context.ts";
import { classify, type Float80, isDenormal, QNAN, SIGN, ZERO } from "./float80.ts";
import { below } from "./wide.ts";

/** Condition codes of an unordered comparison. */
export const UNORDERED = C3 | C2 | C0;

/**
 * Compares a with b: 0 if greater, C0 if less, C3 if equal, {@link UNORDERED} otherwise.
 * @param quiet FUCOM: a quiet NaN raises nothing. FCOM: every NaN raises IE.
 */
export function compare(context: Context, a: Float80, b: Float80, quiet: boolean): number {
  const aKind = classify(a);
  const bKind = classify(b);
  if (aKind >= QNAN || bKind >= QNAN) {
    if (!quiet || aKind > QNAN || bKind > QNAN) context.raised |= IE;
    return UNORDERED;
  }
  if (isDenormal(aKind) || isDenormal(bKind)) context.raised |= DE;
  if (aKind === ZERO && bKind === ZERO) return C3;
  const aSign = a.signExponent & SIGN;
  const bSign = b.signExponent & SIGN;
  if (aSign !== bSign) return aSign !== 0 ? C0 : 0;
  // exponent 0 counts as 1, so that a pseudo-denormal equals the same normal number
  const aExponent = Math.max(a.signExponent & 0x7fff, 1);
  const bExponent = Math.max(b.signExponent & 0x7fff, 1);
  if (aExponent === bExponent && a.hi === b.hi && a.lo === b.lo) return C3;
  const smaller = aExponent === bExponent ? below(a.hi, a.lo, b.hi, b.lo) : aExponent < bExponent;
  return smaller === (aSign === 0) ? C0 : 0;
}

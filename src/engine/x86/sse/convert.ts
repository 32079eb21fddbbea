import { type Environment, roundsAway } from "./environment.ts";
import {
  exponent,
  type Format,
  isInfinite,
  isNan,
  isNegative,
  isSignaling,
  isZero,
  magnitude,
  significand,
} from "./format.ts";
import { IE, PE, type Rounding } from "./mxcsr.ts";

/** The integer that a finite number rounds to, and whether it is inexact. */
const integral = { value: 0n, inexact: false };

function roundToInteger(f: Format, a: bigint, mode: Rounding): void {
  const unit = exponent(f, a);
  const whole = significand(f, a);
  const negative = isNegative(f, a);
  let value = whole;
  integral.inexact = false;
  if (unit >= 0) value = whole << BigInt(unit);
  else {
    const shift = BigInt(-unit);
    value = whole >> shift;
    const rest = (whole - (value << shift)) << 1n;
    integral.inexact = rest !== 0n;
    if (roundsAway(mode, negative, value, rest, 1n << shift)) value++;
  }
  integral.value = negative ? -value : value;
}

/**
 * To a signed integer of 32 or 64 bits, in two's complement. NaNs and what
 * does not fit are invalid and give the integer indefinite.
 */
export function toInteger(
  e: Environment,
  f: Format,
  operand: bigint,
  bits: 32 | 64,
  mode: Rounding = e.rounding,
): bigint {
  const a = e.operand(f, operand);
  const limit = 1n << BigInt(bits - 1);
  if (!isNan(f, a) && !isInfinite(f, a)) {
    roundToInteger(f, a, mode);
    const { value } = integral;
    if (value >= -limit && value < limit) {
      if (integral.inexact) e.after |= PE;
      return BigInt.asUintN(bits, value);
    }
  }
  e.before |= IE;
  return limit;
}

export function fromInteger(e: Environment, f: Format, value: bigint): bigint {
  if (value === 0n) return 0n;
  return e.round(f, value < 0n, value < 0n ? -value : value, 0, false);
}

/** Between single and double. */
export function toFormat(e: Environment, from: Format, to: Format, operand: bigint): bigint {
  const a = e.operand(from, operand);
  const sign = isNegative(from, a) ? to.sign : 0n;
  if (isNan(from, a)) {
    if (isSignaling(from, a)) e.before |= IE;
    const payload = magnitude(from, a) & ((1n << BigInt(from.fraction)) - 1n);
    const shift = to.fraction - from.fraction;
    const moved = shift >= 0 ? payload << BigInt(shift) : payload >> BigInt(-shift);
    return sign | to.infinity | to.quiet | moved;
  }
  if (isInfinite(from, a)) return sign | to.infinity;
  if (isZero(from, a)) return sign;
  e.noteDenormal(from, a);
  return e.round(to, sign !== 0n, significand(from, a), exponent(from, a), false);
}

/** ROUNDxx: to an integral value in the same format. The control is the instruction's immediate. */
export function toIntegral(e: Environment, f: Format, operand: bigint, control: number): bigint {
  const a = e.operand(f, operand);
  const nan = e.nan(f, a, a);
  if (nan !== undefined) return nan;
  if (isInfinite(f, a) || isZero(f, a)) return a;
  roundToInteger(f, a, control & 4 ? e.rounding : ((control & 3) as Rounding));
  const { value, inexact } = integral;
  if (inexact && !(control & 8)) e.after |= PE;
  if (value === 0n) return a & f.sign;
  // An integral value below 2^precision is exact, a greater one was integral before.
  return inexact ? e.round(f, value < 0n, value < 0n ? -value : value, 0, false) : a;
}

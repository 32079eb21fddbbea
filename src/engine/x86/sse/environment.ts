import { bitLength, type Format, isDenormal, isNan, isSignaling } from "./format.ts";
import {
  DAZ,
  DE,
  DOWN,
  FTZ,
  IE,
  MASK_SHIFT,
  NEAREST,
  OE,
  PE,
  RC_SHIFT,
  type Rounding,
  UE,
  UP,
  ZERO,
} from "./mxcsr.ts";

/**
 * What floating-point arithmetic sees of MXCSR, and the flags it raises: in
 * `before` those known before computing (IE, DE, ZE), in `after` the others.
 * An instruction that raises an unmasked one of the first kind in any element
 * reports none of the second (Intel SDM vol. 1, 11.5.3).
 */
export class Environment {
  mxcsr = 0x1f80;
  before = 0;
  after = 0;

  begin(mxcsr: number): void {
    this.mxcsr = mxcsr;
    this.before = 0;
    this.after = 0;
  }

  get rounding(): Rounding {
    return ((this.mxcsr >> RC_SHIFT) & 3) as Rounding;
  }

  isMasked(flag: number): boolean {
    return (this.mxcsr & (flag << MASK_SHIFT)) !== 0;
  }

  /** Whether the flags raised so far forbid to write a result. */
  get faults(): boolean {
    return ((this.before | this.after) & ~(this.mxcsr >> MASK_SHIFT)) !== 0;
  }

  /** Begin another step of the same instruction; false if the steps so far end it with an exception. */
  nextStep(): boolean {
    if (this.faults) return false;
    this.begin(this.result);
    return true;
  }

  /** MXCSR after the instruction. */
  get result(): number {
    const unmasked = this.before & ~(this.mxcsr >> MASK_SHIFT);
    return this.mxcsr | this.before | (unmasked === 0 ? this.after : 0);
  }

  invalid(f: Format): bigint {
    this.before |= IE;
    return f.indefinite;
  }

  /** An operand as DAZ leaves it. */
  operand(f: Format, a: bigint): bigint {
    return this.mxcsr & DAZ && isDenormal(f, a) ? a & f.sign : a;
  }

  noteDenormal(f: Format, a: bigint): void {
    if (isDenormal(f, a)) this.before |= DE;
  }

  /** The result if an operand is a NaN: the first one, quieted; undefined if none is. */
  nan(f: Format, a: bigint, b: bigint): bigint | undefined {
    if (!isNan(f, a) && !isNan(f, b)) return undefined;
    if (isSignaling(f, a) || isSignaling(f, b)) this.before |= IE;
    return (isNan(f, a) ? a : b) | f.quiet;
  }

  /**
   * Round `significand` * 2^`exponent`, not zero, to a format. `sticky`: the exact
   * value is a bit greater, by less than one unit; the significand then has
   * at least two bits more than the format.
   */
  round(
    f: Format,
    negative: boolean,
    significand: bigint,
    exponent: number,
    sticky: boolean,
  ): bigint {
    const sign = negative ? f.sign : 0n;
    const leading = exponent + bitLength(significand) - 1;
    const unbounded = leading - f.fraction;
    let tiny = false;
    let unboundedInexact = false;
    if (leading < f.minimum) {
      // Tininess is detected after rounding, as if the exponent had no bounds.
      const rounded = this.roundAt(significand, exponent, unbounded, negative, sticky);
      unboundedInexact = this.inexact;
      tiny = leading + 1 < f.minimum || rounded >> BigInt(f.fraction + 1) === 0n;
    }
    const unit = Math.max(unbounded, f.minimum - f.fraction);
    const rounded = this.roundAt(significand, exponent, unit, negative, sticky);
    const { inexact } = this;
    if (tiny) {
      if (!this.isMasked(UE)) {
        // The handler gets a result with a wider exponent: PE speaks of that.
        this.after |= UE | (unboundedInexact ? PE : 0);
        return sign;
      }
      if (this.mxcsr & FTZ) {
        this.after |= UE | PE;
        return sign;
      }
      if (inexact) this.after |= UE;
    }
    if (inexact) this.after |= PE;
    // A carry out of the significand moves into the exponent field by itself.
    const biased = BigInt(unit + f.fraction + f.maximum - 1);
    const encoded = leading < f.minimum ? rounded : (biased << BigInt(f.fraction)) + rounded;
    if (encoded < f.infinity) return sign | encoded;
    this.after |= OE;
    if (this.isMasked(OE)) this.after |= PE;
    const mode = this.rounding;
    const finite = mode === ZERO || mode === (negative ? UP : DOWN);
    return sign | (finite ? f.largest : f.infinity);
  }

  /** Whether the last {@link roundAt} was inexact. */
  private inexact = false;

  /** Multiple of 2^`unit` that rounding chooses for `significand` * 2^`exponent`, in units. */
  private roundAt(
    significand: bigint,
    exponent: number,
    unit: number,
    negative: boolean,
    sticky: boolean,
  ): bigint {
    const shift = BigInt(unit - exponent);
    this.inexact = false;
    if (shift <= 0n) return significand << -shift;
    const kept = significand >> shift;
    const rest = ((significand - (kept << shift)) << 1n) | (sticky ? 1n : 0n);
    this.inexact = rest !== 0n;
    return kept + (roundsAway(this.rounding, negative, kept, rest, 1n << shift) ? 1n : 0n);
  }
}

/** Whether rounding goes away from zero: `rest`, less than two halves, is left over. */
export function roundsAway(
  mode: Rounding,
  negative: boolean,
  kept: bigint,
  rest: bigint,
  half: bigint,
): boolean {
  if (rest === 0n) return false;
  if (mode === NEAREST) return rest > half || (rest === half && (kept & 1n) === 1n);
  return mode === (negative ? DOWN : UP);
}

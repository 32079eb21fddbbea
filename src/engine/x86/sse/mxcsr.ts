import { CR4_OSXMMEXCPT } from "../control-bits.ts";
import type { Core } from "../core.ts";
import { CR4, LEAST_DOUBLE, LEAST_SINGLE, MXCSR, MXCSR_FAST } from "../state.ts";

/** Exception flags of MXCSR (Intel SDM vol. 1, 10.2.3); their masks stand 7 bits higher. */
export const IE = 0x01;
export const DE = 0x02;
export const ZE = 0x04;
export const OE = 0x08;
export const UE = 0x10;
export const PE = 0x20;
export const MASK_SHIFT = 7;
/** Denormals are zeros. */
export const DAZ = 0x40;
/** Rounding control, bits 14:13. */
export const RC_SHIFT = 13;
/** Flush to zero. */
export const FTZ = 0x8000;
/** Bits that may be set: what FXSAVE reports as MXCSR_MASK. */
export const MXCSR_MASK = 0xffff;

/** Values of the rounding control. */
export const NEAREST = 0;
export const DOWN = 1;
export const UP = 2;
export const ZERO = 3;
export type Rounding = typeof NEAREST | typeof DOWN | typeof UP | typeof ZERO;

/**
 * Recompute what follows from MXCSR: call after any change of it. MXCSR_FAST
 * is 1 while rounding is to nearest and inexactness can neither trap (PM set)
 * nor be news (PE set already). Then an operation on normal numbers with a
 * normal result changes no flag, whatever the other masks, DAZ and FTZ are,
 * and needs no more than the host's own floating point. Operands of at least
 * 2^-62 (singles) or 2^-500 (doubles) have such results unless they overflow:
 * products are then at least 2^-124 and 2^-1000, and sums that are not zero
 * no less than an operand's last bit.
 */
export function mxcsrChanged(core: Core): void {
  const isFast = (core.get(MXCSR) & 0x7020) === 0x1020;
  core.set(MXCSR_FAST, isFast ? 1 : 0);
  // Exponents with their biases, or infinity.
  core.set(LEAST_SINGLE, isFast ? (127 - 62) << 23 : 0x7f80_0000);
  core.set(LEAST_DOUBLE, 0);
  core.set(LEAST_DOUBLE + 4, isFast ? (1023 - 500) << 20 : 0x7ff0_0000);
}

/** Set MXCSR; nothing is checked. */
export function setMxcsr(core: Core, value: number): void {
  core.set(MXCSR, value);
  mxcsrChanged(core);
}

/** Raise the exception of an unmasked SIMD floating-point condition. */
export function raiseSimdException(core: Core): never {
  return core.raise(core.get(CR4) & CR4_OSXMMEXCPT ? 19 : 6);
}

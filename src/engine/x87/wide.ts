/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
export function multiplyHigh(a: number, b: number): number {
  // The double product is off by at most 2^11, so that taking away the exact low word
  // leaves a multiple of 2^32 to within 2^-20: rounding it is exact.
  const low = Math.imul(a, b) >>> 0;
  return ((a * b - low) * 2 ** -32 + 0.5) >>> 0;
}

/** Whether hi:lo, int32 patterns of an unsigned number, is below the other. */
export function below(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}

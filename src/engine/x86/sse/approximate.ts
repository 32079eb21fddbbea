import { isDenormal, isNan, isNegative, isZero, SINGLE } from "./format.ts";

/**
 * RCPSS and RSQRTSS (Intel SDM vol. 2). Processors differ in the digits; this
 * is the exact value rounded to 12 significand bits, well inside the bound.
 * Denormal operands count as zeros, denormal results become zeros.
 */
const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Keep 12 significand bits, the hidden one included. */
function toTwelveBits(x: number): bigint {
  float[0] = x;
  word[0] = ((word[0] as number) + 0x800) & ~0xfff;
  return BigInt(word[0]);
}

function value(a: bigint): number {
  word[0] = Number(a);
  return float[0] as number;
}

export function reciprocal(a: bigint): bigint {
  if (isNan(SINGLE, a)) return a | SINGLE.quiet;
  const sign = a & SINGLE.sign;
  if (isZero(SINGLE, a) || isDenormal(SINGLE, a)) return sign | SINGLE.infinity;
  const result = toTwelveBits(1 / value(a));
  return isDenormal(SINGLE, result) ? sign : result;
}

export function reciprocalRoot(a: bigint): bigint {
  if (isNan(SINGLE, a)) return a | SINGLE.quiet;
  if (isZero(SINGLE, a) || isDenormal(SINGLE, a)) return (a & SINGLE.sign) | SINGLE.infinity;
  if (isNegative(SINGLE, a)) return SINGLE.indefinite;
  return toTwelveBits(1 / Math.sqrt(value(a)));
}

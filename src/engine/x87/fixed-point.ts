/**
 * Elementary functions on fixed-point numbers: a bigint counts units of 2^-256. Every
 * error stays below 2^-240, far beyond what a 64-bit significand can show.
 */
export const FRACTION_BITS = 256n;
export const ONE = 1n << FRACTION_BITS;

/** sqrt(1/2), where {@link binaryLog} splits its argument. */
const SQRT_HALF = squareRootFloor(ONE << (FRACTION_BITS - 1n));
export const LN_2 = 2n * inverseHyperbolicTangent(ONE / 3n);

function multiply(a: bigint, b: bigint): bigint {
  return (a * b) >> FRACTION_BITS;
}

function divide(a: bigint, b: bigint): bigint {
  return (a << FRACTION_BITS) / b;
}

/** Newton's iteration from above. */
function squareRootFloor(n: bigint): bigint {
  let root = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Bits of a positive number. */
export function bitLength(n: bigint): number {
  const hex = n.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0], 16)) + 28;
}

/** Below one in magnitude. */
export function sine(x: bigint): bigint {
  return alternating(x, x, 2n);
}

/** Below one in magnitude. */
export function cosine(x: bigint): bigint {
  return alternating(ONE, x, 1n);
}

/** first - first * x^2 / (k (k+1)) + ..., k rising by 2: sine and cosine by their Taylor series. */
function alternating(first: bigint, x: bigint, k: bigint): bigint {
  const square = multiply(x, x);
  let sum = 0n;
  for (let term = first; term !== 0n && term !== -1n; k += 2n) {
    sum += term;
    term = -multiply(term, square) / (k * (k + 1n));
  }
  return sum;
}

/** e^x - 1 for |x| < 1. */
export function exponentialMinus1(x: bigint): bigint {
  let sum = 0n;
  let k = 2n;
  for (let term = x; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = multiply(term, x) / k;
  }
  return sum;
}

/** log2(n * 2^scale) for a positive n. */
export function binaryLog(n: bigint, scale: number): bigint {
  const length = bitLength(n);
  let power = length - 1 + scale;
  const places = FRACTION_BITS - BigInt(length - 1);
  let mantissa = places >= 0n ? n << places : n >> -places;
  // into sqrt(1/2)..sqrt(2), where the series converges fastest
  if (mantissa > 2n * SQRT_HALF) {
    mantissa >>= 1n;
    power++;
  }
  const natural = 2n * inverseHyperbolicTangent(divide(mantissa - ONE, mantissa + ONE));
  return (BigInt(power) << FRACTION_BITS) + divide(natural, LN_2);
}

function inverseHyperbolicTangent(x: bigint): bigint {
  const square = multiply(x, x);
  let sum = 0n;
  let k = 1n;
  for (let power = x; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = multiply(power, square);
  }
  return sum;
}

/** atan x for x from 0 to 1. */
export function arctangent(x: bigint): bigint {
  // a double gives 50 bits of the angle; what is left between it and x is a tiny angle
  const guess = Math.atan(Number(x >> (FRACTION_BITS - 64n)) * 2 ** -64);
  const angle = BigInt(Math.floor(guess * 2 ** 60)) << (FRACTION_BITS - 60n);
  const sin = sine(angle);
  const cos = cosine(angle);
  const rest = divide(multiply(x, cos) - sin, cos + multiply(x, sin));
  const square = multiply(rest, rest);
  let sum = 0n;
  let k = 1n;
  for (let power = rest; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = -multiply(power, square);
  }
  return angle + sum;
}

/** pi, for results: 4 atan 1. */
export const PI = 4n * arctangent(ONE);

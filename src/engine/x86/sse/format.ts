/** A binary interchange format of IEEE 754, as the SSE instructions know them. Encodings are bigints. */
export interface Format {
  /** Width of an encoding. */
  readonly bits: 16 | 32 | 64;
  /** Stored significand bits: precision less one. */
  readonly fraction: number;
  /** Greatest and least exponent of a normal number. */
  readonly maximum: number;
  readonly minimum: number;
  readonly sign: bigint;
  readonly infinity: bigint;
  /** Set in quiet NaNs. */
  readonly quiet: bigint;
  /** The "QNaN floating-point indefinite": the result of masked invalid operations. */
  readonly indefinite: bigint;
  readonly largest: bigint;
}

function format(bits: 16 | 32 | 64, fraction: number): Format {
  const maximum = 2 ** (bits - fraction - 2) - 1;
  const sign = 1n << BigInt(bits - 1);
  const infinity = BigInt(2 * maximum + 1) << BigInt(fraction);
  const quiet = 1n << BigInt(fraction - 1);
  return {
    bits,
    fraction,
    maximum,
    minimum: 1 - maximum,
    sign,
    infinity,
    quiet,
    indefinite: sign | infinity | quiet,
    largest: infinity - 1n,
  };
}

/** Only converted from and to. */
export const HALF = format(16, 10);
export const SINGLE = format(32, 23);
export const DOUBLE = format(64, 52);

/** Encoding without its sign. */
export function magnitude(f: Format, a: bigint): bigint {
  return a & (f.sign - 1n);
}

export function isNegative(f: Format, a: bigint): boolean {
  return (a & f.sign) !== 0n;
}

export function isNan(f: Format, a: bigint): boolean {
  return magnitude(f, a) > f.infinity;
}

export function isSignaling(f: Format, a: bigint): boolean {
  return isNan(f, a) && (a & f.quiet) === 0n;
}

export function isInfinite(f: Format, a: bigint): boolean {
  return magnitude(f, a) === f.infinity;
}

export function isZero(f: Format, a: bigint): boolean {
  return magnitude(f, a) === 0n;
}

export function isDenormal(f: Format, a: bigint): boolean {
  const m = magnitude(f, a);
  return m !== 0n && m >> BigInt(f.fraction) === 0n;
}

/** Significand of a finite number: value = significand * 2^exponent. */
export function significand(f: Format, a: bigint): bigint {
  const m = magnitude(f, a);
  const hidden = 1n << BigInt(f.fraction);
  return m < hidden ? m : (m & (hidden - 1n)) | hidden;
}

export function exponent(f: Format, a: bigint): number {
  const biased = Number(magnitude(f, a) >> BigInt(f.fraction));
  return Math.max(biased, 1) - f.maximum - f.fraction;
}

/** Number of bits of a non-negative integer. */
export function bitLength(x: bigint): number {
  const digits = x.toString(16);
  return digits.length * 4 - Math.clz32(Number.parseInt(digits[0] as string, 16)) + 28;
}

/**
 * Operands for vectors in the manner of Berkeley TestFloat: every combination of exponents and
 * significands at which arithmetic goes wrong, and random ones between them. Level 1 has few and is
 * meant for all pairs; level 2 has every single bit and every run of bits, and is meant for samples.
 */

/** A number format of the x86, encodings as bigints. */
export interface NumberFormat {
  readonly name: "f32" | "f64" | "extF80" | "i16" | "i32" | "i64" | "bcd";
  readonly bits: number;
  /** 0: an integer. */
  readonly exponentBits: number;
  /** Bits below the binary point. */
  readonly fractionBits: number;
  /** The integer bit is part of the encoding. */
  readonly explicit: boolean;
}

const format = (
  name: NumberFormat["name"],
  bits: number,
  exponentBits = 0,
  fractionBits = 0,
  explicit = false,
): NumberFormat => ({ name, bits, exponentBits, fractionBits, explicit });

export const F32 = format("f32", 32, 8, 23);
export const F64 = format("f64", 64, 11, 52);
export const F80 = format("extF80", 80, 15, 63, true);
export const I16 = format("i16", 16);
export const I32 = format("i32", 32);
export const I64 = format("i64", 64);
/** 18 digits and a sign. */
export const BCD = format("bcd", 80);

/** Repeatable numbers: splitmix32 (public domain). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 bits, unsigned. */
  word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let x = this.#state ^ (this.#state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return (x ^ (x >>> 15)) >>> 0;
  }

  /** 0 .. limit - 1 */
  below(limit: number): number {
    return this.word() % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bits(count: number): bigint {
    let value = 0n;
    for (let k = 0; k < count; k += 32) value = (value << 32n) | BigInt(this.word());
    return value & ((1n << BigInt(count)) - 1n);
  }
}

/** Biased exponents: the ends, one, where integers end, and (level 2) the ends of other formats. */
function exponents(f: NumberFormat, level: 1 | 2): number[] {
  const top = 2 ** f.exponentBits - 1;
  const bias = top >> 1;
  const near = (at: number, by: number): number[] =>
    Array.from({ length: 2 * by + 1 }, (_, k) => at + k - by);
  const places =
    level === 1
      ? [0, 1, ...near(bias, 1), bias + f.fractionBits, top - 1, top]
      : [
          ...near(1, 2),
          ...near(f.fractionBits + 1, 1),
          ...near(bias, 4),
          ...[15, 31, 63].flatMap((bits) => near(bias + bits, 2)),
          ...near(bias + f.fractionBits, 2),
          ...near(bias - f.fractionBits, 2),
          ...near(bias >> 1, 1),
          ...near(bias + (bias >> 1), 1),
          ...[126, 149, 1022, 1074].flatMap((least) => near(bias - least, 1)),
          ...[127, 1023].flatMap((most) => near(bias + most, 1)),
          ...near(top - 1, 2),
        ];
  return [...new Set(places)].filter((exponent) => exponent >= 0 && exponent <= top);
}

/** Bits below the leading one. */
function fractions(f: NumberFormat, level: 1 | 2): bigint[] {
  const width = BigInt(f.fractionBits);
  const all = (1n << width) - 1n;
  const half = 1n << (width - 1n);
  const found = [0n, 1n, half, all, all - 1n];
  if (level === 2) {
    for (let k = 0n; k < width; k++) {
      const bit = 1n << k;
      // one bit, all but one, the bits below it, those above it, and halfway cases with neighbours
      found.push(bit, all ^ bit, bit - 1n, all ^ (bit - 1n), half | bit, bit | 1n);
    }
  }
  return [...new Set(found)];
}

function encode(f: NumberFormat, negative: boolean, exponent: number, fraction: bigint): bigint {
  const stored = f.explicit
    ? (BigInt(exponent) << 64n) | fraction | (exponent === 0 ? 0n : 1n << 63n)
    : (BigInt(exponent) << BigInt(f.fractionBits)) | fraction;
  return negative ? stored | (1n << BigInt(f.bits - 1)) : stored;
}

function floats(f: NumberFormat, level: 1 | 2): bigint[] {
  const found = exponents(f, level).flatMap((exponent) =>
    fractions(f, level).flatMap((fraction) => [
      encode(f, false, exponent, fraction),
      encode(f, true, exponent, fraction),
    ]),
  );
  // What the integer bit makes possible: unnormals, pseudo-denormals, pseudo-infinities and -NaNs.
  if (f.explicit)
    for (const exponent of [0, 1, 0x3fff, 0x7fff])
      for (const significand of [0n, 1n, 1n << 62n, (1n << 62n) - 1n, 1n << 63n])
        found.push((BigInt(exponent) << 64n) | significand | (exponent === 0 ? 1n << 63n : 0n));
  return [...new Set(found)];
}

function integers(f: NumberFormat, level: 1 | 2): bigint[] {
  const wrap = (value: bigint): bigint => BigInt.asUintN(f.bits, value);
  const found = [0n, 1n, -1n, 2n, 10n, -10n].map(wrap);
  for (let k = 0n; k < BigInt(f.bits); k += level === 1 ? 7n : 1n) {
    const bit = 1n << k;
    found.push(...[bit, bit - 1n, bit + 1n, -bit, -bit - 1n, 3n * bit, 5n * bit - 1n].map(wrap));
  }
  found.push(1n << BigInt(f.bits - 1), (1n << BigInt(f.bits - 1)) - 1n);
  return [...new Set(found)];
}

function decimals(): bigint[] {
  const found = [0n, 1n, 9n, 0x10n, 0x99_9999_9999_9999_9999n & ((1n << 72n) - 1n)];
  for (let place = 0n; place < 18n; place++) found.push(9n << (4n * place), 1n << (4n * place));
  return found.flatMap((digits) => [digits, digits | (1n << 79n)]);
}

const known = new Map<string, readonly bigint[]>();

/** All operands of a level. */
export function operands(f: NumberFormat, level: 1 | 2): readonly bigint[] {
  const key = `${f.name} ${level}`;
  let found = known.get(key);
  if (found === undefined) {
    found = f === BCD ? decimals() : f.exponentBits > 0 ? floats(f, level) : integers(f, level);
    known.set(key, found);
  }
  return found;
}

/** Any encoding: uniform, of level 2, or (if `near` is given) with an exponent close to that of it. */
export function randomOperand(random: Random, f: NumberFormat, near?: bigint): bigint {
  if (f === BCD) {
    let value = random.bits(1) << 79n;
    const digits = random.below(19);
    for (let place = 0; place < digits; place++)
      value |= BigInt(random.below(10)) << BigInt(4 * place);
    return value;
  }
  const kind = random.below(4);
  if (kind === 0 || f.exponentBits === 0)
    return kind < 2
      ? random.pick(operands(f, 2))
      : random.bits(f.bits) >> BigInt(random.pick([0, 0, random.below(f.bits)]));
  if (kind === 1) return random.pick(operands(f, 2));
  const top = 2 ** f.exponentBits - 1;
  const bias = top >> 1;
  const width = BigInt(f.exponentBits);
  const centre =
    near === undefined
      ? bias
      : Number((near >> BigInt(f.bits - 1 - f.exponentBits)) & ((1n << width) - 1n));
  const reach = random.pick([1, 3, f.fractionBits + 3, top]);
  const exponent = Math.min(Math.max(centre + random.below(2 * reach + 1) - reach, 0), top);
  const fraction =
    random.below(2) === 0
      ? random.bits(f.fractionBits)
      : (random.bits(f.fractionBits) >> BigInt(random.below(f.fractionBits))) <<
        BigInt(random.below(f.fractionBits));
  return encode(
    f,
    random.below(2) === 0,
    exponent,
    fraction & ((1n << BigInt(f.fractionBits)) - 1n),
  );
}

/** Level 1 of one operand is level 2 of its format: they are few enough. */
const single = (formats: readonly NumberFormat[]): 1 | 2 => (formats.length === 1 ? 2 : 1);

/** All operands of one instruction that takes one, all pairs of one that takes two. */
function systematic(formats: readonly NumberFormat[]): number {
  return formats.slice(0, 2).reduce((count, f) => count * operands(f, single(formats)).length, 1);
}

/**
 * The operands of case `index` of `count`: first everything systematic, then random. A `count` too
 * small for the first gets a sample of both.
 */
export function vector(
  formats: readonly NumberFormat[],
  random: Random,
  index: number,
  count: number,
): bigint[] {
  const level = single(formats);
  const all = systematic(formats);
  if (count < 2 * all ? random.below(2) === 0 : index < all) {
    let rest = count < 2 * all ? random.below(all) : index;
    return formats.map((f, k) => {
      const choices = operands(f, level);
      if (k > 1) return random.pick(choices);
      const chosen = choices[rest % choices.length] as bigint;
      rest = Math.floor(rest / choices.length);
      return chosen;
    });
  }
  // an operand, and others of which most are close to it
  const [first] = formats;
  const tuple: bigint[] = [];
  for (const f of formats)
    tuple.push(randomOperand(random, f, f === first && random.below(3) > 0 ? tuple[0] : undefined));
  const [a, b] = tuple;
  if (b !== undefined && formats[1] === first && random.below(2) === 0)
    tuple.splice(0, 2, b, a as bigint);
  return tuple;
}

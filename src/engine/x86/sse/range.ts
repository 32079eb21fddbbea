import type { Value } from "../../micro/micro-op.ts";
import { PURE_OPERATIONS, type PureOperation } from "../../micro/operations.ts";

/**
 * What is known of a floating-point number, or of all elements of a vector, before
 * it is computed. Each is finite and either a zero or of a size from 2^`least` to
 * 2^`most`. Arithmetic on ranges says which results cannot but be normal, so that
 * nobody has to look at them.
 */
export interface Range {
  readonly least: number;
  readonly most: number;
  /** It is a multiple of 2^`unit`: what is left of a sum is no smaller. */
  readonly unit: number;
  readonly mayBeZero: boolean;
  /** It may be below zero. */
  readonly mayBeNegative: boolean;
}

/** A floating-point format, as far as ranges depend on it. */
export interface Extent {
  /** Bits of the significand, the leading one included. */
  readonly precision: number;
  /** Exponents of normal numbers. */
  readonly minimum: number;
  readonly maximum: number;
  /**
   * A quarter of all exponents, those around 0: what operands and results are looked for in.
   * The three uppermost bits of a biased exponent are then 011 or 100.
   */
  readonly zone: Range;
}

function extent(precision: number, exponentBits: number): Extent {
  const bias = 2 ** (exponentBits - 1) - 1;
  const reach = 2 ** (exponentBits - 3);
  return {
    precision,
    minimum: 1 - bias,
    maximum: bias,
    zone: {
      least: 1 - reach,
      most: 1 + reach,
      unit: 1 - reach - (precision - 1),
      mayBeZero: true,
      mayBeNegative: true,
    },
  };
}

export const SINGLE_EXTENT = extent(24, 8);
export const DOUBLE_EXTENT = extent(53, 11);

/** Any normal number, or a zero. */
export function anyNormal({ minimum, maximum, precision }: Extent): Range {
  return {
    least: minimum,
    most: maximum + 1,
    unit: minimum - (precision - 1),
    mayBeZero: true,
    mayBeNegative: true,
  };
}

/** Whether the rounded number is certainly normal or a zero. */
export function isNormal({ minimum, maximum }: Extent, { least, most }: Range): boolean {
  return least >= minimum && most <= maximum;
}

/** What rounding leaves of a multiple of 2^`unit`. */
const rounded = ({ precision }: Extent, least: number, unit = least): number =>
  Math.max(unit, least - (precision - 1));

/** a + b, or a - b if `subtracts`. */
export function sumRange(a: Range, b: Range, subtracts: boolean): Range {
  const unit = Math.min(a.unit, b.unit);
  const grows = !a.mayBeNegative && !b.mayBeNegative && !subtracts;
  return {
    least: grows ? Math.min(a.least, b.least) : unit,
    most: Math.max(a.most, b.most) + 1,
    unit,
    mayBeZero: !grows || (a.mayBeZero && b.mayBeZero),
    mayBeNegative: a.mayBeNegative || (subtracts ? true : b.mayBeNegative),
  };
}

export function productRange(extent: Extent, a: Range, b: Range, isSquare = false): Range {
  const least = a.least + b.least;
  return {
    least,
    most: a.most + b.most,
    unit: rounded(extent, least, a.unit + b.unit),
    mayBeZero: a.mayBeZero || b.mayBeZero,
    mayBeNegative: !isSquare && (a.mayBeNegative || b.mayBeNegative),
  };
}

/** a / b, where b is not zero. */
export function quotientRange(extent: Extent, a: Range, b: Range): Range {
  const least = a.least - b.most;
  return {
    least,
    most: a.most - b.least,
    unit: rounded(extent, least),
    mayBeZero: a.mayBeZero,
    mayBeNegative: a.mayBeNegative || b.mayBeNegative,
  };
}

/** The root of a number that is not below zero. */
export function rootRange(extent: Extent, a: Range): Range {
  const least = Math.floor(a.least / 2);
  return {
    least,
    most: Math.ceil(a.most / 2),
    unit: rounded(extent, least),
    mayBeZero: a.mayBeZero,
    mayBeNegative: false,
  };
}

/** a * b + c, rounded once. */
export function fusedRange(extent: Extent, a: Range, b: Range, c: Range): Range {
  const product = productRange(extent, a, b);
  return sumRange({ ...product, unit: a.unit + b.unit }, c, true);
}

/** Either of two. */
export function unionRange(a: Range, b: Range): Range {
  return {
    least: Math.min(a.least, b.least),
    most: Math.max(a.most, b.most),
    unit: Math.min(a.unit, b.unit),
    mayBeZero: a.mayBeZero || b.mayBeZero,
    mayBeNegative: a.mayBeNegative || b.mayBeNegative,
  };
}

/** What holds by two accounts. */
export function narrowed(a: Range, b: Range): Range {
  return {
    least: Math.max(a.least, b.least),
    most: Math.min(a.most, b.most),
    unit: Math.max(a.unit, b.unit),
    mayBeZero: a.mayBeZero && b.mayBeZero,
    mayBeNegative: a.mayBeNegative && b.mayBeNegative,
  };
}

/** An integer of so many bits, the sign included. */
export function integerRange(extent: Extent, bits: number): Range {
  return {
    least: 0,
    most: bits - 1,
    unit: rounded(extent, 0, 0),
    mayBeZero: true,
    mayBeNegative: true,
  };
}

/** The number that is rounded to an integral one. */
export function integralRange({ most, mayBeNegative }: Range): Range {
  return { least: 0, most: Math.max(most, 0), unit: 0, mayBeZero: true, mayBeNegative };
}

function constantRange(value: number, extent: Extent): Range | undefined {
  if (!Number.isFinite(value)) return undefined;
  const size = Math.abs(value);
  if (size === 0) return { ...integerRange(extent, 1), mayBeNegative: false };
  if (size < 2 ** extent.minimum) return undefined;
  let least = Math.floor(Math.log2(size));
  while (2 ** least > size) least--;
  return {
    least,
    most: least + 1,
    unit: least - (extent.precision - 1),
    mayBeZero: false,
    mayBeNegative: value < 0,
  };
}

/** Operations that arrange elements, by format. */
interface Arranging {
  readonly extent: Extent;
  readonly bytes: 4 | 8;
  readonly splat: PureOperation | undefined;
  readonly extract: PureOperation | undefined;
  readonly replace: PureOperation | undefined;
  readonly negations: readonly (PureOperation | undefined)[];
  readonly sizes: readonly (PureOperation | undefined)[];
}

function arranging(vector: string, element: string, extent: Extent, bytes: 4 | 8): Arranging {
  const of = (name: string): PureOperation | undefined => PURE_OPERATIONS.get(name);
  return {
    extent,
    bytes,
    splat: of(`${vector}.splat`),
    extract: of(`${vector}.extract_lane`),
    replace: of(`${vector}.replace_lane`),
    negations: [of(`${vector}.neg`), of(`${element}.neg`)],
    sizes: [of(`${vector}.abs`), of(`${element}.abs`)],
  };
}

const ARRANGING = {
  s: arranging("f32x4", "f32", SINGLE_EXTENT, 4),
  d: arranging("f64x2", "f64", DOUBLE_EXTENT, 8),
} as const;

/** As deep as values are looked into. */
const DEPTH = 4;

/** The ranges of values: what was proved, and what follows for values that are made of them. */
export class Ranges {
  private readonly proved = { s: new Map<Value, Range>(), d: new Map<Value, Range>() };

  /** From here on a value is known to be in a range. */
  learn(suffix: "s" | "d", value: Value, range: Range): void {
    this.proved[suffix].set(value, range);
  }

  /** Of a number, or of all elements of a vector of singles or doubles; undefined: it may be anything. */
  of(suffix: "s" | "d", value: Value, depth = DEPTH): Range | undefined {
    const known = this.proved[suffix].get(value);
    if (known !== undefined || depth === 0) return known;
    const { op } = value;
    const { extent, bytes, splat, extract, replace, negations, sizes } = ARRANGING[suffix];
    if (op.kind === "constant") {
      if (value.type !== "v128") return constantRange(Number(op.value), extent);
      return op.value === 0n ? constantRange(0, extent) : undefined;
    }
    if (op.kind === "shuffle") {
      const elements = elementsOf(op.lanes, bytes);
      if (elements === undefined) return undefined;
      const sources = op.args.filter((_, k) => elements.some((n) => n >= 16 / bytes === (k === 1)));
      return this.either(suffix, sources, depth);
    }
    if (op.kind !== "pure") return undefined;
    const [first] = op.args;
    if (first === undefined) return undefined;
    if (op.operation === splat) return this.of(suffix, first, depth - 1);
    if (op.operation === extract) return this.of(suffix, first, depth - 1);
    if (op.operation === replace) return this.either(suffix, op.args, depth);
    if (negations.includes(op.operation)) {
      const range = this.of(suffix, first, depth - 1);
      return range && { ...range, mayBeNegative: true };
    }
    if (sizes.includes(op.operation)) {
      const range = this.of(suffix, first, depth - 1);
      return range && { ...range, mayBeNegative: false };
    }
    return undefined;
  }

  private either(suffix: "s" | "d", values: readonly Value[], depth: number): Range | undefined {
    let range: Range | undefined;
    for (const value of values) {
      const one = this.of(suffix, value, depth - 1);
      if (one === undefined) return undefined;
      range = range === undefined ? one : unionRange(range, one);
    }
    return range;
  }
}

/** Numbers of the elements that a shuffle of bytes moves as wholes; undefined: it breaks some. */
function elementsOf(lanes: readonly number[], bytes: number): number[] | undefined {
  const elements: number[] = [];
  for (let k = 0; k < 16; k += bytes) {
    const start = lanes[k] as number;
    if (start % bytes !== 0) return undefined;
    for (let j = 1; j < bytes; j++) if (lanes[k + j] !== start + j) return undefined;
    elements.push(start / bytes);
  }
  return elements;
}

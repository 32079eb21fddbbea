import type { Value } from "../../micro/micro-op.ts";
import type { Instruction, Speculation } from "../instruction.ts";
import type { Lanes } from "./operands.ts";
import { isNormal, narrowed, type Range } from "./range.ts";
import { bitmask, isZero, low, type Shape } from "./shapes.ts";

/**
 * Arithmetic in compiled code. While MXCSR_FAST is 1, an operation changes no flag
 * if its operands and its result are normal numbers or exact zeros. Numbers that come
 * from elsewhere are looked at once: they must lie in a zone around 1, a quarter of all
 * exponents. What follows from them is known to be normal (see range.ts), and looked at
 * only where it may have left the normal numbers. Whatever else comes leaves the
 * compiled code.
 */

/** What is looked at before an instruction changes anything. */
interface Look {
  /** An element, or a vector of them. */
  readonly value: Value;
  /** Whether a zero will do (i32), looked at only if it is one; undefined: it will not. */
  readonly isZeroGood: (() => Value) | undefined;
  readonly isNegativeGood: boolean;
}

/** Bits of an encoding's upper half that are clear in the zone, once its start is taken off; bit 31 is the sign. */
const BEYOND = 0x6000_0000;
const SIGN = 0x8000_0000 | 0;
/** The zone's least number as the upper 32 bits of its encoding. */
const START = { s: (127 - 31) << 23, d: (1023 - 255) << 20 } as const;

/** Leave unless all that is looked at is in the zone, or a zero where that will do. */
function look(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  looks: readonly Look[],
  speculation: Speculation,
): void {
  if (looks.length === 0) return;
  if (packed) lookAtVectors(i, shape, looks, speculation);
  else lookAtElements(i, shape, looks, speculation);
}

function lookAtElements(
  i: Instruction,
  shape: Shape,
  looks: readonly Look[],
  speculation: Speculation,
): void {
  const evidence = looks.map(({ value }) => {
    const upper =
      shape.suffix === "s"
        ? i.op("i32.reinterpret_f32", value)
        : i.wrap(i.shrU(i.op("i64.reinterpret_f64", value), i.i64(32)));
    return i.op("i32.sub", upper, i.i32(START[shape.suffix]));
  });
  const mask = looks.every(({ isNegativeGood }) => isNegativeGood) ? BEYOND : BEYOND | SIGN;
  const isOutside = (bits: Value): Value => i.op("i32.and", bits, i.i32(mask));
  i.if(isOutside(evidence.reduce((x, y) => i.op("i32.or", x, y))), () => {
    const good = looks.map(({ value, isZeroGood }, k) => {
      const inZone = i.op("i32.eqz", isOutside(evidence[k] as Value));
      if (isZeroGood === undefined) return inZone;
      const isGoodZero = i.op("i32.and", isZero(i, shape, value), isZeroGood());
      return i.op("i32.or", inZone, isGoodZero);
    });
    const areGood = good.reduce((x, y) => i.op("i32.and", x, y));
    i.if(i.op("i32.eqz", areGood), () => speculation.retry());
  });
}

/** The signs of what is computed here tell; without constants, which cost more. */
function lookAtVectors(
  i: Instruction,
  shape: Shape,
  looks: readonly Look[],
  speculation: Speculation,
): void {
  const { integer } = shape;
  const left = (x: Value): Value => i.op(`${integer}.shl`, x, i.i32(1));
  const inZone = looks.map(({ value, isNegativeGood }) => {
    // The exponent's first bit differs from the second, and that does not from the third.
    const changes = i.op("v128.xor", value, left(value));
    const isInside = left(i.op("v128.andnot", changes, left(changes)));
    return isNegativeGood ? isInside : i.op("v128.andnot", isInside, value);
  });
  const isMissing = (signs: readonly Value[]): Value => {
    const all = signs.reduce((x, y) => i.op("v128.and", x, y));
    return i.op("i32.ne", bitmask(i, shape, all), i.i32(shape.all));
  };
  i.if(isMissing(inZone), () => {
    const good = looks.map(({ value, isZeroGood }, k) => {
      const isInside = inZone[k] as Value;
      if (isZeroGood === undefined) return isInside;
      const isGoodZero = i.op("v128.and", isZero(i, shape, value), isZeroGood());
      return i.op("v128.or", isInside, isGoodZero);
    });
    i.if(isMissing(good), () => speculation.retry());
  });
}

const ALWAYS = (i: Instruction, packed: boolean): (() => Value) =>
  packed ? () => i.v128((1n << 128n) - 1n) : () => i.i32(1);

/** An operation of arithmetic. */
export interface Operation {
  /** What its result may be, if its operands are in these ranges. */
  readonly range: (ranges: readonly Range[], operands: readonly Value[]) => Range;
  /** Elements where a zero result is exact, from the elements of the operands; undefined: all. */
  readonly zeros?: ((operands: readonly Value[], k: number) => Value) | undefined;
  /** Number of the operand that must not be zero. */
  readonly divisor?: number;
  /** Number of the operand that must not be below zero. */
  readonly radicand?: number;
}

/** Make sure that arithmetic on `operands` with these results changes no flag, or leave. */
export function speculate(
  i: Instruction,
  speculation: Speculation,
  shape: Shape,
  packed: boolean,
  results: Lanes,
  operands: readonly Lanes[],
  { range, zeros, divisor, radicand }: Operation,
): void {
  const { ranges } = speculation;
  const { suffix, extent } = shape;
  const element = (lane: Value): Value => (packed ? lane : low(i, shape, lane));
  const looks = new Map<Value, Look>();
  const learned = new Map<Value, Range>();
  results.forEach((lane, k) => {
    const values = operands.map((lanes) => element(lanes[k] as Value));
    const known = values.map((value, n) => {
      const range = learned.get(value) ?? ranges.of(suffix, value);
      const isDivisor = n === divisor;
      const isRadicand = n === radicand;
      if (
        range !== undefined &&
        !(isDivisor && range.mayBeZero) &&
        !(isRadicand && range.mayBeNegative)
      )
        return range;
      looks.set(value, {
        value,
        isZeroGood: isDivisor ? undefined : ALWAYS(i, packed),
        isNegativeGood: !isRadicand,
      });
      const { zone } = extent;
      const looked = { ...zone, mayBeZero: !isDivisor, mayBeNegative: !isRadicand };
      const now = range === undefined ? looked : narrowed(range, looked);
      learned.set(value, now);
      return now;
    });
    const result = element(lane);
    const computed = range(known, values);
    if (isNormal(extent, computed)) {
      learned.set(result, computed);
      return;
    }
    looks.set(result, {
      value: result,
      isZeroGood: zeros === undefined ? ALWAYS(i, packed) : () => zeros(values, k),
      isNegativeGood: true,
    });
    learned.set(result, narrowed(computed, extent.zone));
  });
  look(i, shape, packed, [...looks.values()], speculation);
  for (const [value, range] of learned) ranges.learn(suffix, value, range);
}

/** Make sure that values are neither NaNs nor denormals, or leave. */
export function speculateNumbers(
  i: Instruction,
  { ranges, ...speculation }: Speculation,
  shape: Shape,
  packed: boolean,
  vectors: readonly Lanes[],
): void {
  const { suffix, extent } = shape;
  const unknown = new Set(
    vectors
      .flat()
      .map((lane) => (packed ? lane : low(i, shape, lane)))
      .filter((value) => ranges.of(suffix, value) === undefined),
  );
  const looks = [...unknown].map((value) => ({
    value,
    isZeroGood: ALWAYS(i, packed),
    isNegativeGood: true,
  }));
  look(i, shape, packed, looks, { ranges, ...speculation });
  for (const value of unknown) ranges.learn(suffix, value, extent.zone);
}

/** What results may be follows from what operands may be; nothing is looked at. */
export function learn(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  results: Lanes,
  operands: readonly Lanes[],
  range: (ranges: readonly Range[]) => Range,
  source: Shape = shape,
): void {
  const { ranges } = i.speculation ?? {};
  if (ranges === undefined) return;
  results.forEach((lane, k) => {
    const known = operands.flatMap((lanes) => {
      const operand = lanes[k] as Value;
      return ranges.of(source.suffix, packed ? operand : low(i, source, operand)) ?? [];
    });
    if (known.length === operands.length)
      ranges.learn(shape.suffix, packed ? lane : low(i, shape, lane), range(known));
  });
}

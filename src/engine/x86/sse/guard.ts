import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import {
  LEAST_DOUBLE,
  LEAST_SINGLE,
  MXCSR,
  MXCSR_FAST,
  SSE_FIRST,
  SSE_RESULT,
  SSE_SECOND,
} from "../state.ts";
import { RC_SHIFT } from "./mxcsr.ts";
import type { Lanes } from "./operands.ts";
import { absolute, every, isZero, low, notDenormal, type Shape, SINGLES, splat } from "./shapes.ts";
import { type Operation, speculate } from "./speculation.ts";

/**
 * Floating-point instructions compute with the host's arithmetic and then
 * prove that x86 would have done the same without touching MXCSR; what cannot
 * be proved is computed anew by an exact helper. Proofs come in stages: a
 * cheap one for numbers that are not small, then one for all normal numbers
 * and zeros. Vectors of 256 bits are computed lane by lane, and proved or
 * computed anew as a whole.
 */

/** Whether something holds for lane `k` (i32). */
export type Proof = (k: number) => Value;

/** Whether MXCSR lets normal arithmetic go without a look (i32). */
export function fast(i: Instruction): Value {
  return i.loadState(MXCSR_FAST, "i32");
}

/** Whether compiled code is entered only where {@link fast} is 1. */
export function isAlwaysFast(i: Instruction): boolean {
  const { op } = fast(i);
  return op.kind === "constant" && op.value === 1;
}

/** `quick` if one of the proofs holds for all its lanes (each tried only if those before failed), else what `exact` gives. */
export function guarded(
  i: Instruction,
  quick: Lanes,
  proofs: readonly Proof[],
  exact: () => Lanes,
): Lanes {
  if (i.leavesUnproved) {
    const prove = (n: number): void => {
      const proof = proofs[n];
      if (proof === undefined) exact();
      else i.if(i.op("i32.eqz", allOf(i, quick, proof)), () => prove(n + 1));
    };
    prove(0);
    return quick;
  }
  const results = quick.map((lane) => i.variable(lane));
  const attempt = (n: number): void => {
    const proof = proofs[n];
    if (proof === undefined) {
      const lanes = exact();
      results.forEach((result, k) => {
        i.set(result, lanes[k] as Value);
      });
      return;
    }
    i.if(i.op("i32.eqz", allOf(i, quick, proof)), () => attempt(n + 1));
  };
  attempt(0);
  return results.map((result) => i.get(result));
}

function allOf(i: Instruction, lanes: Lanes, proof: Proof): Value {
  return lanes.map((_, k) => proof(k)).reduce((x, y) => i.op("i32.and", x, y));
}

/** Store the lanes of a helper's operand. */
export function pass(i: Instruction, at: number, lanes: Lanes): void {
  lanes.forEach((lane, k) => {
    i.storeState(at + 16 * k, "v128", lane);
  });
}

/** Call a helper, or its fellow for 256 bits; `lanes` of its result. */
export function resultOf(i: Instruction, helper: string, lanes: number): Lanes {
  i.helper(i.decoded.vectorBits === 256 ? `${helper}_256` : helper);
  return Array.from({ length: lanes }, (_, k) => i.loadState(SSE_RESULT + 16 * k, "v128"));
}

/** Let a helper compute from two vectors. */
export function exactly(i: Instruction, helper: string, first: Lanes, second: Lanes): Lanes {
  pass(i, SSE_FIRST, first);
  pass(i, SSE_SECOND, second);
  return resultOf(i, helper, first.length);
}

/** Let a helper convert `source` to `lanes` of a result. */
export function convertExactly(
  i: Instruction,
  helper: string,
  source: Lanes,
  lanes = source.length,
): Lanes {
  pass(i, SSE_SECOND, source);
  return resultOf(i, helper, lanes);
}

/** Arithmetic that has been done, and what proves that it was right. */
export interface Arithmetic extends Operation {
  readonly quick: Lanes;
  /** Those that count for the flags. */
  readonly operands: readonly Lanes[];
  /** What must not be small, so that the result is normal. */
  readonly sizes: readonly Lanes[];
  /** Elements that needed no rounding, if they are in range. */
  readonly isExact: Proof;
  /** Computes it anew. */
  readonly exact: () => Lanes;
}

/** The result of arithmetic, guarded. */
export function arithmetic(i: Instruction, shape: Shape, packed: boolean, done: Arithmetic): Lanes {
  const { quick, operands, sizes, zeros, isExact, exact } = done;
  const { speculation } = i;
  if (speculation !== undefined) {
    speculate(i, speculation, shape, packed, quick, operands, done);
    return quick;
  }
  const laneOf = (vectors: readonly Lanes[], k: number): Value[] =>
    vectors.map((lanes) => lanes[k] as Value);
  const normalOrZero = (k: number): Value => {
    const result = quick[k] as Value;
    const size = absolute(i, shape, result);
    const finite = i.op(`${shape.vector}.lt`, size, splat(i, shape, Number.POSITIVE_INFINITY));
    const large = i.op(`${shape.vector}.gt`, size, splat(i, shape, shape.normal));
    const zero = isZero(i, shape, result);
    const exactZero =
      zeros === undefined ? zero : i.op("v128.and", zero, zeros(laneOf(operands, k), k));
    let good = i.op("v128.and", finite, i.op("v128.or", large, exactZero));
    for (const operand of laneOf(operands, k))
      good = i.op("v128.and", good, notDenormal(i, shape, operand));
    if (isAlwaysFast(i)) return every(i, shape, packed, good);
    // Before PE is set, inexactness counts; many programs work with whole numbers for long.
    const anyway = i.op("i32x4.splat", i.op("i32.sub", i.i32(0), fast(i)));
    good = i.op("v128.and", good, i.op("v128.or", anyway, isExact(k)));
    const rounding = i.op("i32.and", i.loadState(MXCSR, "i32"), i.i32(3 << RC_SHIFT));
    return i.op("i32.and", i.op("i32.eqz", rounding), every(i, shape, packed, good));
  };
  const large = (k: number): Value =>
    notSmall(i, shape, packed, quick[k] as Value, laneOf(sizes, k));
  const { op } = fast(i);
  const isSlow = op.kind === "constant" && op.value === 0;
  return guarded(i, quick, isSlow ? [normalOrZero] : [large, normalOrZero], exact);
}

/**
 * Whether MXCSR_FAST is 1, all sizes are above LEAST_SINGLE or LEAST_DOUBLE,
 * and the result is finite: in one comparison, which costs what matters here.
 */
function notSmall(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  quick: Value,
  sizes: readonly Value[],
): Value {
  const { vector, element } = shape;
  const least = sizes
    .map((size) => absolute(i, shape, size))
    .reduce((x, y) => i.op(`${vector}.pmin`, x, y));
  const bound = i.loadState(shape === SINGLES ? LEAST_SINGLE : LEAST_DOUBLE, element);
  // x - x is 0, or a NaN if x is infinite or a NaN itself.
  if (packed) {
    const checked = i.op(`${vector}.add`, least, i.op(`${vector}.sub`, quick, quick));
    return every(i, shape, true, i.op(`${vector}.gt`, checked, i.op(`${vector}.splat`, bound)));
  }
  const x = low(i, shape, quick);
  const checked = i.op(`${element}.add`, low(i, shape, least), i.op(`${element}.sub`, x, x));
  return i.op(`${element}.gt`, checked, bound);
}

/** Elements where sum = a + b exactly: then taking either operand away leaves the other. */
export function isExactSum(i: Instruction, shape: Shape, sum: Value, a: Value, b: Value): Value {
  const { vector } = shape;
  // One of the two differences is exact, that with the larger operand.
  const restB = i.op(`${vector}.eq`, i.op(`${vector}.sub`, sum, a), b);
  const restA = i.op(`${vector}.eq`, i.op(`${vector}.sub`, sum, b), a);
  return i.op("v128.and", restA, restB);
}

/** Elements of which both have no more than half of the format's bits, so that their product is exact. */
export function areShort(i: Instruction, shape: Shape, a: Value, b: Value): Value {
  const rest =
    shape === SINGLES ? i.op("i32x4.splat", i.i32(0xfff)) : i.op("i64x2.splat", i.i64(0x7ff_ffff));
  return i.op(`${shape.integer}.eq`, i.op("v128.and", i.op("v128.or", a, b), rest), i.v128(0n));
}

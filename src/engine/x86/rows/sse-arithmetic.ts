import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { eachLane, vector } from "../sse/forms.ts";
import { areShort, arithmetic, exactly, isExactSum } from "../sse/guard.ts";
import { firstSource, readVector, writeVector } from "../sse/operands.ts";
import { productRange, quotientRange, type Range, rootRange, sumRange } from "../sse/range.ts";
import { either, FORMS, isZero, low, type Shape, withLow } from "../sse/shapes.ts";

/** An operation on vectors, or on their low elements. */
function apply(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  operation: string,
  a: Value,
  b: Value,
): Value {
  if (packed) return i.op(`${shape.vector}.${operation}`, a, b);
  return withLow(
    i,
    shape,
    a,
    i.op(`${shape.element}.${operation}`, low(i, shape, a), low(i, shape, b)),
  );
}

interface Operation {
  readonly opcode: string;
  readonly name: "add" | "sub" | "mul" | "div";
  /** Elements where a zero result is exact; undefined: all. */
  readonly zeros?: (i: Instruction, shape: Shape, a: Value, b: Value) => Value;
  /** Elements where the result r is exact. */
  readonly isExact: (i: Instruction, shape: Shape, r: Value, a: Value, b: Value) => Value;
  /** Of the result; b is not zero if it is a divisor. */
  readonly range: (shape: Shape, a: Range, b: Range, isSame: boolean) => Range;
}

/** Elements where x * y = product, and no bit of it is lost. */
function isProduct(i: Instruction, shape: Shape, product: Value, x: Value, y: Value): Value {
  const equal = i.op(`${shape.vector}.eq`, i.op(`${shape.vector}.mul`, x, y), product);
  return i.op("v128.and", equal, areShort(i, shape, x, y));
}

const OPERATIONS: readonly Operation[] = [
  { opcode: "58", name: "add", isExact: isExactSum, range: (_, a, b) => sumRange(a, b, false) },
  {
    opcode: "5c",
    name: "sub",
    isExact: (i, shape, r, a, b) => isExactSum(i, shape, r, a, i.op(`${shape.vector}.neg`, b)),
    range: (_, a, b) => sumRange(a, b, true),
  },
  {
    opcode: "59",
    name: "mul",
    zeros: (i, shape, a, b) => either(i, isZero(i, shape, a), isZero(i, shape, b)),
    isExact: (i, shape, _, a, b) => areShort(i, shape, a, b),
    range: ({ extent }, a, b, isSame) => productRange(extent, a, b, isSame),
  },
  {
    opcode: "5e",
    name: "div",
    zeros: (i, shape, a) => isZero(i, shape, a),
    isExact: (i, shape, r, a, b) => isProduct(i, shape, a, r, b),
    range: ({ extent }, a, b) => quotientRange(extent, a, b),
  },
];

function binary(
  { name, zeros, isExact, range }: Operation,
  shape: Shape,
  packed: boolean,
  helper: string,
): Semantics {
  return (i) => {
    const source = firstSource(i);
    const b = readVector(i, source + 1);
    const a = readVector(i, source);
    const quick = eachLane(a, b, (x, y) => apply(i, shape, packed, name, x, y));
    const lane = (k: number): [Value, Value] => [a[k] as Value, b[k] as Value];
    const result = arithmetic(i, shape, packed, {
      quick,
      operands: [a, b],
      // A quotient is small, too, if the divisor is large.
      sizes: name === "div" ? [a, b, quick] : [a, b],
      range: ([x, y], [p, q]) => range(shape, x as Range, y as Range, p === q),
      zeros: zeros && (([x, y]) => zeros(i, shape, x as Value, y as Value)),
      ...(name === "div" ? { divisor: 1 } : {}),
      isExact: (k) => isExact(i, shape, quick[k] as Value, ...lane(k)),
      exact: () => exactly(i, helper, a, b),
    });
    writeVector(i, 0, result);
  };
}

for (const { prefix, name, shape, packed } of FORMS) {
  const options = packed ? {} : { length: "LIG" as const };
  for (const operation of OPERATIONS)
    vector(
      `${prefix} 0f ${operation.opcode}`,
      `${(operation.name + name).toUpperCase()} V${name},H${name},W${name}`,
      binary(operation, shape, packed, operation.name + name),
      options,
    );

  vector(
    `${prefix} 0f 51`,
    `SQRT${name.toUpperCase()} V${name},${packed ? "" : `H${name},`}W${name}`,
    (i) => {
      const source = firstSource(i);
      const b = readVector(i, source + 1);
      const a = packed ? b : readVector(i, source);
      const quick = eachLane(a, b, (into, x) =>
        packed
          ? i.op(`${shape.vector}.sqrt`, x)
          : withLow(i, shape, into, i.op(`${shape.element}.sqrt`, low(i, shape, x))),
      );
      const result = arithmetic(i, shape, packed, {
        quick,
        operands: [b],
        sizes: [b],
        range: ([x]) => rootRange(shape.extent, x as Range),
        radicand: 0,
        isExact: (k) => isProduct(i, shape, b[k] as Value, quick[k] as Value, quick[k] as Value),
        exact: () => exactly(i, `sqrt${name}`, a, b),
      });
      writeVector(i, 0, result);
    },
    options,
  );
}

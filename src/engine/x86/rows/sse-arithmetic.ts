import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { eachLane, vector } from "../sse/forms.ts";
import {
  areShort,
  arithmetic,
  exactly,
  FORMS,
  isExactSum,
  isZero,
  low,
  type Shape,
  withLow,
} from "../sse/guard.ts";
import { firstSource, readVector, writeVector } from "../sse/operands.ts";

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
}

/** Elements where x * y = product, and no bit of it is lost. */
function isProduct(i: Instruction, shape: Shape, product: Value, x: Value, y: Value): Value {
  const equal = i.op(`${shape.vector}.eq`, i.op(`${shape.vector}.mul`, x, y), product);
  return i.op("v128.and", equal, areShort(i, shape, x, y));
}

const OPERATIONS: readonly Operation[] = [
  { opcode: "58", name: "add", isExact: isExactSum },
  {
    opcode: "5c",
    name: "sub",
    isExact: (i, shape, r, a, b) => isExactSum(i, shape, r, a, i.op(`${shape.vector}.neg`, b)),
  },
  {
    opcode: "59",
    name: "mul",
    zeros: (i, shape, a, b) => i.op("v128.or", isZero(i, shape, a), isZero(i, shape, b)),
    isExact: (i, shape, _, a, b) => areShort(i, shape, a, b),
  },
  {
    opcode: "5e",
    name: "div",
    zeros: (i, shape, a) => isZero(i, shape, a),
    isExact: (i, shape, r, a, b) => isProduct(i, shape, a, r, b),
  },
];

function binary(
  { name, zeros, isExact }: Operation,
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
    const result = arithmetic(
      i,
      shape,
      packed,
      quick,
      [a, b],
      // A quotient is small, too, if the divisor is large.
      name === "div" ? [a, b, quick] : [a, b],
      zeros && ((k) => zeros(i, shape, ...lane(k))),
      (k) => isExact(i, shape, quick[k] as Value, ...lane(k)),
      () => exactly(i, helper, a, b),
    );
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
      const result = arithmetic(
        i,
        shape,
        packed,
        quick,
        [b],
        [b],
        undefined,
        (k) => isProduct(i, shape, b[k] as Value, quick[k] as Value, quick[k] as Value),
        () => exactly(i, `sqrt${name}`, a, b),
      );
      writeVector(i, 0, result);
    },
    options,
  );
}

import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
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
import { readXmm } from "../sse/operands.ts";

const SSE = { unit: "sse" } as const;

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
    const b = readXmm(i, 1);
    const a = i.loadState(i.place(0), "v128");
    const quick = apply(i, shape, packed, name, a, b);
    // A quotient is small, too, if the divisor is large.
    const sizes = name === "div" ? [a, b, quick] : [a, b];
    const zero = zeros === undefined ? undefined : (): Value => zeros(i, shape, a, b);
    const result = arithmetic(
      i,
      shape,
      packed,
      quick,
      [a, b],
      sizes,
      zero,
      () => isExact(i, shape, quick, a, b),
      () => exactly(i, helper, a, b),
    );
    i.storeState(i.place(0), "v128", result);
  };
}

for (const { prefix, name, shape, packed } of FORMS) {
  for (const operation of OPERATIONS)
    row(
      `${prefix} 0f ${operation.opcode}`,
      `${(operation.name + name).toUpperCase()} V${name},W${name}`,
      binary(operation, shape, packed, operation.name + name),
      SSE,
    );

  row(
    `${prefix} 0f 51`,
    `SQRT${name.toUpperCase()} V${name},W${name}`,
    (i) => {
      const b = readXmm(i, 1);
      const a = packed ? b : i.loadState(i.place(0), "v128");
      const quick = packed
        ? i.op(`${shape.vector}.sqrt`, b)
        : withLow(i, shape, a, i.op(`${shape.element}.sqrt`, low(i, shape, b)));
      i.storeState(
        i.place(0),
        "v128",
        arithmetic(
          i,
          shape,
          packed,
          quick,
          [b],
          [b],
          undefined,
          () => isProduct(i, shape, b, quick, quick),
          () => exactly(i, `sqrt${name}`, a, b),
        ),
      );
    },
    SSE,
  );
}

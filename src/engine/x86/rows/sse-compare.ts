import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import {
  absolute,
  compareAll,
  DOUBLES,
  every,
  exactly,
  FORMS,
  guarded,
  low,
  notDenormal,
  type Shape,
  SINGLES,
  withLow,
} from "../sse/guard.ts";
import { readXmm } from "../sse/operands.ts";
import { FLAGS_AUX, FLAGS_RESULT, SSE_FIRST, SSE_INTEGER, SSE_SECOND } from "../state.ts";

const SSE = { unit: "sse" } as const;

for (const { prefix, name, shape, packed } of FORMS) {
  // MIN and MAX give the second operand if both are zeros (or one is a NaN, which the guard leaves to the helper).
  for (const [opcode, operation, chooses] of [
    ["5d", "min", "pmin"],
    ["5f", "max", "pmax"],
  ] as const)
    row(
      `${prefix} 0f ${opcode}`,
      `${(operation + name).toUpperCase()} V${name},W${name}`,
      (i) => {
        const b = readXmm(i, 1);
        const a = i.loadState(i.place(0), "v128");
        const chosen = i.op(`${shape.vector}.${chooses}`, b, a);
        const quick = packed ? chosen : withLow(i, shape, a, low(i, shape, chosen));
        const result = guarded(i, quick, orderedProofs(i, shape, packed, a, b), () =>
          exactly(i, operation + name, a, b),
        );
        i.storeState(i.place(0), "v128", result);
      },
      SSE,
    );

  row(
    `${prefix} 0f c2`,
    `CMP${name.toUpperCase()} V${name},W${name},Ib`,
    (i) => {
      const b = readXmm(i, 1);
      const a = i.loadState(i.place(0), "v128");
      const predicate = i.wrap(i.read(2));
      const mask = compareOrdered(i, shape, predicate, a, b);
      const quick = packed ? mask : withLow(i, shape, a, low(i, shape, mask));
      const result = guarded(i, quick, orderedProofs(i, shape, packed, a, b), () => {
        i.storeState(SSE_INTEGER, "i32", predicate);
        return exactly(i, `cmp${name}`, a, b);
      });
      i.storeState(i.place(0), "v128", result);
    },
    SSE,
  );
}

/** Proofs that comparing raises nothing: neither NaNs nor denormals. */
function orderedProofs(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  a: Value,
  b: Value,
): (() => Value)[] {
  return [
    () => {
      const x = absolute(i, shape, a);
      const y = absolute(i, shape, b);
      // pmin(x, y) = y < x ? y : x, so a NaN in the first place stays.
      const sum = i.op(`${shape.vector}.add`, x, y);
      const least = i.op(`${shape.vector}.pmin`, sum, i.op(`${shape.vector}.pmin`, x, y));
      return compareAll(i, shape, packed, "ge", least, shape.normal);
    },
    () => {
      const numbers = i.op(
        "v128.and",
        i.op(`${shape.vector}.eq`, a, a),
        i.op(`${shape.vector}.eq`, b, b),
      );
      const normal = i.op("v128.and", notDenormal(i, shape, a), notDenormal(i, shape, b));
      return every(i, shape, packed, i.op("v128.and", numbers, normal));
    },
  ];
}

/** CMPxx of numbers: bits 1:0 of the predicate choose equal, less, less or equal, never; bit 2 negates. */
function compareOrdered(i: Instruction, shape: Shape, predicate: Value, a: Value, b: Value): Value {
  const kind = i.op("i32.and", predicate, i.i32(3));
  const among = (set: number): Value =>
    i.op("i32.sub", i.i32(0), i.op("i32.and", i.op("i32.shr_u", i.i32(set), kind), i.i32(1)));
  const equal = i.op(
    "v128.and",
    i.op(`${shape.vector}.eq`, a, b),
    i.op("i32x4.splat", among(0b0101)),
  );
  const less = i.op(
    "v128.and",
    i.op(`${shape.vector}.lt`, a, b),
    i.op("i32x4.splat", among(0b0110)),
  );
  const negate = i.op(
    "i32.sub",
    i.i32(0),
    i.op("i32.and", i.op("i32.shr_u", predicate, i.i32(2)), i.i32(1)),
  );
  return i.op("v128.xor", i.op("v128.or", equal, less), i.op("i32x4.splat", negate));
}

for (const [prefix, name, shape] of [
  ["NP", "ss", SINGLES],
  ["66", "sd", DOUBLES],
] as const)
  for (const [opcode, mnemonic] of [
    ["2e", "ucomi"],
    ["2f", "comi"],
  ] as const)
    row(
      `${prefix} 0f ${opcode}`,
      `${(mnemonic + name).toUpperCase()} V${name},W${name}`,
      (i) => {
        const b = readXmm(i, 1);
        const a = i.loadState(i.place(0), "v128");
        setOrder(i, shape, a, b, mnemonic + name);
      },
      SSE,
    );

/** The flags of a comparison, or the helper where a NaN or a denormal is involved. */
function setOrder(i: Instruction, shape: Shape, a: Value, b: Value, helper: string): void {
  const x = low(i, shape, a);
  const y = low(i, shape, b);
  const zero = i.i32(0);
  const one = i.i32(1);
  const plain = guarded(i, one, orderedProofs(i, shape, false, a, b), () => {
    i.storeState(SSE_FIRST, "v128", a);
    i.storeState(SSE_SECOND, "v128", b);
    i.helper(helper);
    return zero;
  });
  i.if(plain, () => {
    const notEqual = i.op(`${shape.element}.ne`, x, y);
    i.storeState(FLAGS_RESULT, "i64", i.extend(i.op("i32.shl", notEqual, i.i32(8))));
    const less = i.select(i.op(`${shape.element}.lt`, x, y), i.i32(0xc000_0100 | 0), i.i32(0x100));
    i.storeState(FLAGS_AUX, "i32", less);
  });
}

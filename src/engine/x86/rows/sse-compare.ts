import { setComparison } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { eachLane, vector } from "../sse/forms.ts";
import { exactly, guarded, type Proof, pass } from "../sse/guard.ts";
import {
  firstSource,
  immediate,
  isVex,
  type Lanes,
  readVector,
  readXmm,
  writeVector,
} from "../sse/operands.ts";
import { EQUAL, GREATER, LESS } from "../sse/predicates.ts";
import { type Range, unionRange } from "../sse/range.ts";
import {
  absolute,
  compareAll,
  DOUBLES,
  every,
  FORMS,
  low,
  notDenormal,
  type Shape,
  SINGLES,
  withLow,
} from "../sse/shapes.ts";
import { learn, speculateNumbers } from "../sse/speculation.ts";
import { SSE_FIRST, SSE_INTEGER, SSE_SECOND } from "../state.ts";

for (const { prefix, name, shape, packed } of FORMS) {
  const options = packed ? {} : { length: "LIG" as const };
  // MIN and MAX give the second operand if both are zeros (or one is a NaN, which the guard leaves to the helper).
  for (const [opcode, operation, chooses] of [
    ["5d", "min", "pmin"],
    ["5f", "max", "pmax"],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${(operation + name).toUpperCase()} V${name},H${name},W${name}`,
      (i) => {
        const source = firstSource(i);
        const b = readVector(i, source + 1);
        const a = readVector(i, source);
        const alone = (x: Value): Value =>
          packed ? x : i.op(`${shape.vector}.splat`, low(i, shape, x));
        const quick = eachLane(a, b, (x, y) => {
          const chosen = i.op(`${shape.vector}.${chooses}`, alone(y), alone(x));
          return packed ? chosen : withLow(i, shape, x, low(i, shape, chosen));
        });
        const result = ordered(i, shape, packed, quick, a, b, () =>
          exactly(i, operation + name, a, b),
        );
        learn(i, shape, packed, result, [a, b], ([x, y]) => unionRange(x as Range, y as Range));
        writeVector(i, 0, result);
      },
      options,
    );

  vector(
    `${prefix} 0f c2`,
    `CMP${name.toUpperCase()} V${name},H${name},W${name},Ib`,
    (i) => {
      const source = firstSource(i);
      const b = readVector(i, source + 1);
      const a = readVector(i, source);
      // Without VEX there are the first eight predicates.
      const predicate = i.op("i32.and", immediate(i), i.i32(isVex(i) ? 31 : 7));
      const quick = eachLane(a, b, (x, y) => {
        const mask = compareOrdered(i, shape, predicate, x, y);
        return packed ? mask : withLow(i, shape, x, low(i, shape, mask));
      });
      const result = ordered(i, shape, packed, quick, a, b, () => {
        i.storeState(SSE_INTEGER, "i32", predicate);
        return exactly(i, `cmp${name}`, a, b);
      });
      writeVector(i, 0, result);
    },
    options,
  );
}

/** `quick`, or what `exact` gives where comparing raises something. */
function ordered(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  quick: Lanes,
  a: Lanes,
  b: Lanes,
  exact: () => Lanes,
): Lanes {
  const { speculation } = i;
  if (speculation === undefined)
    return guarded(i, quick, orderedProofs(i, shape, packed, a, b), exact);
  speculateNumbers(i, speculation, shape, packed, [a, b]);
  return quick;
}

/** Proofs that comparing raises nothing: neither NaNs nor denormals. */
function orderedProofs(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  first: Lanes,
  second: Lanes,
): Proof[] {
  return [
    (k) => {
      const x = absolute(i, shape, first[k] as Value);
      const y = absolute(i, shape, second[k] as Value);
      // pmin(x, y) = y < x ? y : x, so a NaN in the first place stays.
      const sum = i.op(`${shape.vector}.add`, x, y);
      const least = i.op(`${shape.vector}.pmin`, sum, i.op(`${shape.vector}.pmin`, x, y));
      return compareAll(i, shape, packed, "ge", least, shape.normal);
    },
    (k) => {
      const a = first[k] as Value;
      const b = second[k] as Value;
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

/** CMPxx of numbers: what the predicate makes of equal, less and greater. */
function compareOrdered(i: Instruction, shape: Shape, predicate: Value, a: Value, b: Value): Value {
  return [
    ["eq", EQUAL],
    ["lt", LESS],
    ["gt", GREATER],
  ]
    .map(([relation, predicates]) => {
      const bit = i.op("i32.and", predicate, i.i32(15));
      const holds = i.op("i32.and", i.op("i32.shr_u", i.i32(predicates as number), bit), i.i32(1));
      const all = i.op("i32x4.splat", i.op("i32.sub", i.i32(0), holds));
      return i.op("v128.and", i.op(`${shape.vector}.${relation}`, a, b), all);
    })
    .reduce((x, y) => i.op("v128.or", x, y));
}

for (const [prefix, name, shape] of [
  ["NP", "ss", SINGLES],
  ["66", "sd", DOUBLES],
] as const)
  for (const [opcode, mnemonic] of [
    ["2e", "ucomi"],
    ["2f", "comi"],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${(mnemonic + name).toUpperCase()} V${name},W${name}`,
      (i) => {
        const b = readXmm(i, 1);
        setOrder(i, shape, readXmm(i, 0), b, mnemonic + name);
      },
      { length: "LIG" },
    );

/** The flags of a comparison, or the helper where a NaN or a denormal is involved. */
function setOrder(i: Instruction, shape: Shape, a: Value, b: Value, helper: string): void {
  const x = low(i, shape, a);
  const y = low(i, shape, b);
  const zero = i.i32(0);
  const one = i.i32(1);
  const [plain] = ordered(i, shape, false, [one], [a], [b], () => {
    pass(i, SSE_FIRST, [a]);
    pass(i, SSE_SECOND, [b]);
    i.helper(helper);
    return [zero];
  });
  i.if(plain as Value, () => setComparison(i, x, y));
}

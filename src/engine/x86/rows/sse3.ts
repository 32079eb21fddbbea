import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { eachLane, vector } from "../sse/forms.ts";
import { arithmetic, exactly, isExactSum } from "../sse/guard.ts";
import { firstSource, readVector, writeVector } from "../sse/operands.ts";
import { type Range, sumRange } from "../sse/range.ts";
import { DOUBLES, type Shape, SINGLES } from "../sse/shapes.ts";

const SSE3 = { level: 2 } as const;

// SSE3: horizontal operations and ADDSUB are vector operations on rearranged operands.
for (const [prefix, name, shape] of [
  ["F2", "ps", SINGLES],
  ["66", "pd", DOUBLES],
] as const) {
  const evens = shape === SINGLES ? [0, 2, 4, 6] : [0, 2];
  const gather = (i: Instruction, a: Value, b: Value, odd: number): Value =>
    i.shuffle(
      a,
      b,
      lanes(
        shape,
        evens.map((k) => k + odd),
      ),
    );
  for (const [opcode, mnemonic, operation] of [
    ["7c", "hadd", "add"],
    ["7d", "hsub", "sub"],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${(mnemonic + name).toUpperCase()} V${name},H${name},W${name}`,
      (i) => {
        const source = firstSource(i);
        const b = readVector(i, source + 1);
        const a = readVector(i, source);
        const x = eachLane(a, b, (first, second) => gather(i, first, second, 0));
        const y = eachLane(a, b, (first, second) => gather(i, first, second, 1));
        const quick = eachLane(x, y, (p, q) => i.op(`${shape.vector}.${operation}`, p, q));
        const addend = (k: number): Value =>
          operation === "add" ? (y[k] as Value) : i.op(`${shape.vector}.neg`, y[k] as Value);
        const result = arithmetic(i, shape, true, {
          quick,
          operands: [x, y],
          sizes: [x, y],
          range: ([p, q]) => sumRange(p as Range, q as Range, operation === "sub"),
          isExact: (k) => isExactSum(i, shape, quick[k] as Value, x[k] as Value, addend(k)),
          exact: () => exactly(i, mnemonic + name, a, b),
        });
        writeVector(i, 0, result);
      },
      SSE3,
    );

  vector(
    `${prefix} 0f d0`,
    `ADDSUB${name.toUpperCase()} V${name},H${name},W${name}`,
    (i) => {
      const source = firstSource(i);
      const b = readVector(i, source + 1);
      const a = readVector(i, source);
      const signs = shape === SINGLES ? 0x00000000_80000000_00000000_80000000n : 1n << 63n;
      const addend = b.map((lane) => i.op("v128.xor", lane, i.v128(signs)));
      const quick = eachLane(a, addend, (x, y) => i.op(`${shape.vector}.add`, x, y));
      const result = arithmetic(i, shape, true, {
        quick,
        operands: [a, b],
        sizes: [a, b],
        range: ([p, q]) => sumRange(p as Range, q as Range, true),
        isExact: (k) => isExactSum(i, shape, quick[k] as Value, a[k] as Value, addend[k] as Value),
        exact: () => exactly(i, `addsub${name}`, a, b),
      });
      writeVector(i, 0, result);
    },
    SSE3,
  );
}

/** Byte lanes of a shuffle of whole elements. */
function lanes(shape: Shape, elements: readonly number[]): number[] {
  const size = shape === SINGLES ? 4 : 8;
  return elements.flatMap((element) => Array.from({ length: size }, (_, k) => element * size + k));
}

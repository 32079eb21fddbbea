import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import { arithmetic, DOUBLES, exactly, isExactSum, type Shape, SINGLES } from "../sse/guard.ts";
import { readXmm } from "../sse/operands.ts";

const SSE = { unit: "sse" } as const;

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
    row(
      `${prefix} 0f ${opcode}`,
      `${(mnemonic + name).toUpperCase()} V${name},W${name}`,
      (i) => {
        const b = readXmm(i, 1);
        const a = i.loadState(i.place(0), "v128");
        const x = gather(i, a, b, 0);
        const y = gather(i, a, b, 1);
        const quick = i.op(`${shape.vector}.${operation}`, x, y);
        i.storeState(
          i.place(0),
          "v128",
          arithmetic(
            i,
            shape,
            true,
            quick,
            [x, y],
            [x, y],
            undefined,
            () =>
              isExactSum(
                i,
                shape,
                quick,
                x,
                operation === "add" ? y : i.op(`${shape.vector}.neg`, y),
              ),
            () => exactly(i, mnemonic + name, a, b),
          ),
        );
      },
      SSE,
    );

  row(
    `${prefix} 0f d0`,
    `ADDSUB${name.toUpperCase()} V${name},W${name}`,
    (i) => {
      const b = readXmm(i, 1);
      const a = i.loadState(i.place(0), "v128");
      const signs = shape === SINGLES ? 0x00000000_80000000_00000000_80000000n : 1n << 63n;
      const addend = i.op("v128.xor", b, i.v128(signs));
      const quick = i.op(`${shape.vector}.add`, a, addend);
      i.storeState(
        i.place(0),
        "v128",
        arithmetic(
          i,
          shape,
          true,
          quick,
          [a, b],
          [a, b],
          undefined,
          () => isExactSum(i, shape, quick, a, addend),
          () => exactly(i, `addsub${name}`, a, b),
        ),
      );
    },
    SSE,
  );
}

/** Byte lanes of a shuffle of whole elements. */
function lanes(shape: Shape, elements: readonly number[]): number[] {
  const size = shape === SINGLES ? 4 : 8;
  return elements.flatMap((element) => Array.from({ length: size }, (_, k) => element * size + k));
}

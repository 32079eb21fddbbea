import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import {
  DOUBLES,
  every,
  exactly,
  fast,
  guarded,
  low,
  notDenormal,
  type Shape,
  SINGLES,
} from "../sse/guard.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import { SSE_INTEGER } from "../state.ts";

const SSE = { unit: "sse" } as const;

// ROUNDxx: bit 3 of the immediate keeps PE out, bit 2 takes the rounding mode from MXCSR.
for (const [opcode, name, shape, packed] of [
  ["08", "ps", SINGLES, true],
  ["09", "pd", DOUBLES, true],
  ["0a", "ss", SINGLES, false],
  ["0b", "sd", DOUBLES, false],
] as const)
  row(
    `66 0f 3a ${opcode}`,
    `ROUND${name.toUpperCase()} V${name},W${name},Ib`,
    (i) => {
      const source = readXmm(i, 1);
      const into = packed ? source : i.loadState(i.place(0), "v128");
      const control = immediate(i, 2);
      const rounded = roundBy(i, shape, control, source);
      const quick = packed
        ? rounded
        : i.lane(`${shape.vector}.replace_lane`, 0, into, low(i, shape, rounded));
      const proof = (): Value => {
        const silent = i.op("i32.eq", i.op("i32.and", control, i.i32(0xc)), i.i32(8));
        const ordered = i.op(
          "v128.and",
          i.op(`${shape.vector}.eq`, source, source),
          notDenormal(i, shape, source),
        );
        const isExact = every(i, shape, packed, i.op(`${shape.vector}.eq`, rounded, source));
        const allowed = i.op("i32.or", i.op("i32.or", fast(i), silent), isExact);
        return i.op("i32.and", allowed, every(i, shape, packed, ordered));
      };
      const result = guarded(i, quick, [proof], () => {
        i.storeState(SSE_INTEGER, "i32", control);
        return exactly(i, `round${name}`, into, source);
      });
      writeXmm(i, 0, result);
    },
    SSE,
  );

/** Nearest if bit 2 is set: the proof then demands that MXCSR says so, or that the mode does not matter. */
function roundBy(i: Instruction, shape: Shape, control: Value, source: Value): Value {
  const round = (operation: string): Value => i.op(`${shape.vector}.${operation}`, source);
  const bit = (n: number): Value => i.op("i32.and", control, i.i32(n));
  const fixed = i.select(
    bit(2),
    i.select(bit(1), round("trunc"), round("ceil")),
    i.select(bit(1), round("floor"), round("nearest")),
  );
  return i.select(bit(4), round("nearest"), fixed);
}

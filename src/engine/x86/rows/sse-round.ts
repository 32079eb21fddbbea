import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { eachLane, vector } from "../sse/forms.ts";
import { exactly, fast, guarded, type Proof } from "../sse/guard.ts";
import { firstSource, immediate, readVector, writeVector } from "../sse/operands.ts";
import { integralRange, type Range } from "../sse/range.ts";
import { DOUBLES, every, low, notDenormal, type Shape, SINGLES, withLow } from "../sse/shapes.ts";
import { learn, speculateNumbers } from "../sse/speculation.ts";
import { SSE_INTEGER } from "../state.ts";

// ROUNDxx: bit 3 of the immediate keeps PE out, bit 2 takes the rounding mode from MXCSR.
for (const [opcode, name, shape, packed] of [
  ["08", "ps", SINGLES, true],
  ["09", "pd", DOUBLES, true],
  ["0a", "ss", SINGLES, false],
  ["0b", "sd", DOUBLES, false],
] as const)
  vector(
    `66 0f 3a ${opcode}`,
    `ROUND${name.toUpperCase()} V${name},${packed ? "" : `H${name},`}W${name},Ib`,
    (i) => {
      const first = firstSource(i);
      const sources = readVector(i, first + 1);
      const into = packed ? sources : readVector(i, first);
      const control = immediate(i);
      const rounded = sources.map((source) => roundBy(i, shape, control, source));
      const quick = packed
        ? rounded
        : eachLane(into, rounded, (x, y) => withLow(i, shape, x, low(i, shape, y)));
      const { speculation } = i;
      if (speculation !== undefined) {
        speculateNumbers(i, speculation, shape, packed, [sources]);
        learn(i, shape, packed, quick, [sources], ([x]) => integralRange(x as Range));
        writeVector(i, 0, quick);
        return;
      }
      const proof: Proof = (k) => {
        const source = sources[k] as Value;
        const silent = i.op("i32.eq", i.op("i32.and", control, i.i32(0xc)), i.i32(8));
        const ordered = i.op(
          "v128.and",
          i.op(`${shape.vector}.eq`, source, source),
          notDenormal(i, shape, source),
        );
        const equal = i.op(`${shape.vector}.eq`, rounded[k] as Value, source);
        const isExact = every(i, shape, packed, equal);
        const allowed = i.op("i32.or", i.op("i32.or", fast(i), silent), isExact);
        return i.op("i32.and", allowed, every(i, shape, packed, ordered));
      };
      const result = guarded(i, quick, [proof], () => {
        i.storeState(SSE_INTEGER, "i32", control);
        return exactly(i, `round${name}`, into, sources);
      });
      writeVector(i, 0, result);
    },
    packed ? { level: 2 } : { length: "LIG", level: 2 },
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

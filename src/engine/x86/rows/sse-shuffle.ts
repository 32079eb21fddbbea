import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import {
  doubleWordIndices,
  maskOfBits,
  maskOfElement,
  shiftBytes,
  wordIndices,
} from "../sse/shuffle.ts";

/** Shuffles, blends, insertions and extractions, directed by an immediate. */
const SSE = { unit: "sse" } as const;

row(
  "66 0f 70",
  "PSHUFD Vdq,Wdq,Ib",
  (i) => {
    const from = readXmm(i, 1);
    writeXmm(i, 0, i.op("i8x16.swizzle", from, doubleWordIndices(i, immediate(i, 2))));
  },
  SSE,
);

/** The four words of one half; the other half as it is. */
function shuffleHalf(high: boolean): Semantics {
  return (i) => {
    const from = readXmm(i, 1);
    const indices = wordIndices(i, immediate(i, 2));
    const source = high
      ? i.lane("i64x2.extract_lane", 1, from)
      : i.lane("i64x2.extract_lane", 0, from);
    const shuffled = i.op("i8x16.swizzle", i.op("i64x2.splat", source), indices);
    const half = i.lane("i64x2.extract_lane", 0, shuffled);
    writeXmm(i, 0, i.lane("i64x2.replace_lane", high ? 1 : 0, from, half));
  };
}
row("F2 0f 70", "PSHUFLW Vdq,Wdq,Ib", shuffleHalf(false), SSE);
row("F3 0f 70", "PSHUFHW Vdq,Wdq,Ib", shuffleHalf(true), SSE);

row(
  "NP 0f c6",
  "SHUFPS Vps,Wps,Ib",
  (i) => {
    const from = readXmm(i, 1);
    const indices = doubleWordIndices(i, immediate(i, 2));
    const lower = i.op("i8x16.swizzle", readXmm(i, 0), indices);
    const upper = i.op("i8x16.swizzle", from, indices);
    writeXmm(
      i,
      0,
      i.shuffle(lower, upper, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]),
    );
  },
  SSE,
);

row(
  "66 0f c6",
  "SHUFPD Vpd,Wpd,Ib",
  (i) => {
    const from = readXmm(i, 1);
    const into = readXmm(i, 0);
    const control = immediate(i, 2);
    const choose = (vector: Value, bit: number): Value =>
      i.select(
        i.op("i32.and", control, i.i32(bit)),
        i.lane("i64x2.extract_lane", 1, vector),
        i.lane("i64x2.extract_lane", 0, vector),
      );
    writeXmm(
      i,
      0,
      i.lane("i64x2.replace_lane", 1, i.op("i64x2.splat", choose(into, 1)), choose(from, 2)),
    );
  },
  SSE,
);

row(
  "66 0f 3a 0f",
  "PALIGNR Vdq,Wdq,Ib",
  (i) => {
    const lower = readXmm(i, 1);
    const upper = readXmm(i, 0);
    const count = immediate(i, 2);
    const limited = i.select(i.op("i32.lt_u", count, i.i32(32)), count, i.i32(32));
    const above = shiftBytes(i, upper, i.op("i32.sub", limited, i.i32(16)));
    writeXmm(i, 0, i.op("v128.or", shiftBytes(i, lower, limited), above));
  },
  SSE,
);

for (const [opcode, name, elements] of [
  ["0c", "BLENDPS", 4],
  ["0d", "BLENDPD", 2],
  ["0e", "PBLENDW", 8],
] as const)
  row(
    `66 0f 3a ${opcode}`,
    `${name} Vdq,Wdq,Ib`,
    (i) => {
      const from = readXmm(i, 1);
      writeXmm(
        i,
        0,
        i.op("v128.bitselect", from, readXmm(i, 0), maskOfBits(i, immediate(i, 2), elements)),
      );
    },
    SSE,
  );

/** Element `index` of a vector, moved to element 0. */
function toBottom(i: Instruction, vector: Value, index: Value, size: number): Value {
  return shiftBytes(i, vector, i.op("i32.mul", index, i.i32(size)));
}

function index(i: Instruction, at: number, count: number): Value {
  return i.op("i32.and", i.wrap(i.read(at)), i.i32(count - 1));
}

function insert(shape: "i8x16" | "i16x8" | "i32x4" | "i64x2", count: number): Semantics {
  return (i) => {
    const value = i.read(1);
    const element = i.op(`${shape}.splat`, shape === "i64x2" ? value : i.wrap(value));
    const mask = maskOfElement(i, shape, index(i, 2, count));
    writeXmm(i, 0, i.op("v128.bitselect", element, readXmm(i, 0), mask));
  };
}

function extract(shape: "i8x16" | "i16x8" | "i32x4" | "i64x2", count: number): Semantics {
  return (i) => {
    const moved = toBottom(i, readXmm(i, 1), index(i, 2, count), 16 / count);
    const suffix = count > 4 ? "_u" : "";
    const element = i.lane(`${shape}.extract_lane${suffix}`, 0, moved);
    i.write(0, shape === "i64x2" ? element : i.extend(element));
  };
}

for (const [opcode, name, size, shape, count] of [
  ["3a 14", "PEXTRB", "b", "i8x16", 16],
  ["3a 15", "PEXTRW", "w", "i16x8", 8],
] as const) {
  row(`66 0f ${opcode} mem`, `${name} M${size},Vdq,Ib`, extract(shape, count), SSE);
  row(`66 0f ${opcode} reg`, `${name} Rd,Vdq,Ib`, extract(shape, count), SSE);
}
row("66 0f c5", "PEXTRW Gd,Udq,Ib", extract("i16x8", 8), SSE);
row("66 0f 3a 17", "EXTRACTPS Ed,Vdq,Ib", extract("i32x4", 4), SSE);
// 64 bits with REX.W.
row(
  "66 0f 3a 16",
  "PEXTRD Ey,Vdq,Ib",
  (i) => (i.bits === 64 ? extract("i64x2", 2) : extract("i32x4", 4))(i),
  SSE,
);
row(
  "66 0f 3a 22",
  "PINSRD Vdq,Ey,Ib",
  (i) => (i.bits === 64 ? insert("i64x2", 2) : insert("i32x4", 4))(i),
  SSE,
);
for (const [opcode, name, size, shape, count] of [
  ["3a 20", "PINSRB", "b", "i8x16", 16],
  ["c4", "PINSRW", "w", "i16x8", 8],
] as const) {
  row(`66 0f ${opcode} mem`, `${name} Vdq,M${size},Ib`, insert(shape, count), SSE);
  row(`66 0f ${opcode} reg`, `${name} Vdq,Rd,Ib`, insert(shape, count), SSE);
}

/** Source element by bits 7:6 (of a register), destination by bits 5:4, then zeros by bits 3:0. */
row(
  "66 0f 3a 21",
  "INSERTPS Vdq,Wss,Ib",
  (i) => {
    const from = readXmm(i, 1);
    const control = immediate(i, 2);
    const chosen = i.isMemory(1)
      ? from
      : toBottom(i, from, i.op("i32.shr_u", control, i.i32(6)), 4);
    const element = i.op("i32x4.splat", i.lane("i32x4.extract_lane", 0, chosen));
    const where = i.op("i32.and", i.op("i32.shr_u", control, i.i32(4)), i.i32(3));
    const inserted = i.op(
      "v128.bitselect",
      element,
      readXmm(i, 0),
      maskOfElement(i, "i32x4", where),
    );
    writeXmm(i, 0, i.op("v128.andnot", inserted, maskOfBits(i, control, 4)));
  },
  SSE,
);

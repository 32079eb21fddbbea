import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { avx, binary, type LaneOperation, unary, vector } from "../sse/forms.ts";
import { firstSource, immediate, readXmm, writeXmm } from "../sse/operands.ts";
import {
  doubleWordIndices,
  maskOfBits,
  maskOfElement,
  shiftBytes,
  wordIndices,
} from "../sse/shuffle.ts";

/** Shuffles, blends, insertions and extractions, directed by an immediate. */

/** Of vectors of 128 bits only. */
const L0 = { length: "L0" } as const;
const SSE4 = 2;

vector(
  "66 0f 70",
  "PSHUFD Vx,Wx,Ib",
  unary((i, from) => i.op("i8x16.swizzle", from, doubleWordIndices(i, immediate(i)))),
);

/** The four words of one half; the other half as it is. */
function shuffleHalf(number: 0 | 1): Semantics {
  return unary((i, from) => {
    const source = i.lane("i64x2.extract_lane", number, from);
    const indices = wordIndices(i, immediate(i));
    const shuffled = i.op("i8x16.swizzle", i.op("i64x2.splat", source), indices);
    const half = i.lane("i64x2.extract_lane", 0, shuffled);
    return i.lane("i64x2.replace_lane", number, from, half);
  });
}
vector("F2 0f 70", "PSHUFLW Vx,Wx,Ib", shuffleHalf(0));
vector("F3 0f 70", "PSHUFHW Vx,Wx,Ib", shuffleHalf(1));

vector(
  "NP 0f c6",
  "SHUFPS Vps,Hps,Wps,Ib",
  binary((i, into, from) => {
    const indices = doubleWordIndices(i, immediate(i));
    const lower = i.op("i8x16.swizzle", into, indices);
    const upper = i.op("i8x16.swizzle", from, indices);
    return i.shuffle(lower, upper, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
  }),
);

/** The lower 64 bits, or the upper ones if a bit of `control` is set. */
export function chooseHalf(i: Instruction, vector: Value, control: Value, bit: number): Value {
  return i.select(
    i.op("i32.and", control, i.i32(1 << bit)),
    i.lane("i64x2.extract_lane", 1, vector),
    i.lane("i64x2.extract_lane", 0, vector),
  );
}

vector(
  "66 0f c6",
  "SHUFPD Vpd,Hpd,Wpd,Ib",
  binary((i, into, from, k) => {
    const control = immediate(i);
    const lower = i.op("i64x2.splat", chooseHalf(i, into, control, 2 * k));
    return i.lane("i64x2.replace_lane", 1, lower, chooseHalf(i, from, control, 2 * k + 1));
  }),
);

vector(
  "66 0f 3a 0f",
  "PALIGNR Vx,Hx,Wx,Ib",
  binary((i, upper, lower) => {
    const count = immediate(i);
    const limited = i.select(i.op("i32.lt_u", count, i.i32(32)), count, i.i32(32));
    const above = shiftBytes(i, upper, i.op("i32.sub", limited, i.i32(16)));
    return i.op("v128.or", shiftBytes(i, lower, limited), above);
  }),
  { level: 2 },
);

/** Elements of b whose bit of the immediate is set, others of a. Lane 1 has bits of its own, unless there are 8 elements. */
function blend(elements: 2 | 4 | 8): LaneOperation {
  return (i, a, b, k) => {
    const control = immediate(i);
    const own = elements === 8 ? control : i.op("i32.shr_u", control, i.i32(elements * k));
    return i.op("v128.bitselect", b, a, maskOfBits(i, own, elements));
  };
}
for (const [opcode, name, elements] of [
  ["0c", "BLENDPS", 4],
  ["0d", "BLENDPD", 2],
  ["0e", "PBLENDW", 8],
] as const)
  vector(`66 0f 3a ${opcode}`, `${name} Vx,Hx,Wx,Ib`, binary(blend(elements)), { level: SSE4 });
avx("W0 66 0f 3a 02", "VPBLENDD Vx,Hx,Wx,Ib", binary(blend(4)));

/** Element `index` of a vector, moved to element 0. */
function toBottom(i: Instruction, vector: Value, index: Value, size: number): Value {
  return shiftBytes(i, vector, i.op("i32.mul", index, i.i32(size)));
}

type Elements = "i8x16" | "i16x8" | "i32x4" | "i64x2";
const COUNTS: Readonly<Record<Elements, number>> = { i8x16: 16, i16x8: 8, i32x4: 4, i64x2: 2 };

function elementNumber(i: Instruction, shape: Elements): Value {
  return i.op("i32.and", immediate(i), i.i32(COUNTS[shape] - 1));
}

function insert(shapeOf: (i: Instruction) => Elements): Semantics {
  return (i) => {
    const shape = shapeOf(i);
    const source = firstSource(i);
    const value = i.read(source + 1);
    const element = i.op(`${shape}.splat`, shape === "i64x2" ? value : i.wrap(value));
    const mask = maskOfElement(i, shape, elementNumber(i, shape));
    writeXmm(i, 0, i.op("v128.bitselect", element, readXmm(i, source), mask));
  };
}

function extract(shapeOf: (i: Instruction) => Elements): Semantics {
  return (i) => {
    const shape = shapeOf(i);
    const moved = toBottom(i, readXmm(i, 1), elementNumber(i, shape), 16 / COUNTS[shape]);
    const suffix = COUNTS[shape] > 4 ? "_u" : "";
    const element = i.lane(`${shape}.extract_lane${suffix}`, 0, moved);
    i.write(0, shape === "i64x2" ? element : i.extend(element));
  };
}

const bytes = (): Elements => "i8x16";
const words = (): Elements => "i16x8";
/** 64 bits with REX.W or VEX.W. */
const doubleOrQuadWords = (i: Instruction): Elements => (i.bits === 64 ? "i64x2" : "i32x4");

for (const [opcode, name, size, shape] of [
  ["14", "PEXTRB", "b", bytes],
  ["15", "PEXTRW", "w", words],
] as const) {
  const options = { ...L0, level: SSE4 } as const;
  vector(`66 0f 3a ${opcode} mem`, `${name} M${size},Vdq,Ib`, extract(shape), options);
  vector(`66 0f 3a ${opcode} reg`, `${name} Rd,Vdq,Ib`, extract(shape), options);
}
vector("66 0f c5", "PEXTRW Gd,Udq,Ib", extract(words), L0);
vector(
  "66 0f 3a 17",
  "EXTRACTPS Ed,Vdq,Ib",
  extract(() => "i32x4"),
  { ...L0, level: SSE4 },
);
vector("66 0f 3a 16", "PEXTRD Ey,Vdq,Ib", extract(doubleOrQuadWords), { ...L0, level: SSE4 });
vector("66 0f 3a 22", "PINSRD Vdq,Hdq,Ey,Ib", insert(doubleOrQuadWords), { ...L0, level: SSE4 });
for (const [opcode, name, size, shape, level] of [
  ["3a 20", "PINSRB", "b", bytes, SSE4],
  ["c4", "PINSRW", "w", words, 1],
] as const) {
  vector(`66 0f ${opcode} mem`, `${name} Vdq,Hdq,M${size},Ib`, insert(shape), { ...L0, level });
  vector(`66 0f ${opcode} reg`, `${name} Vdq,Hdq,Rd,Ib`, insert(shape), { ...L0, level });
}

/** Source element by bits 7:6 (of a register), destination by bits 5:4, then zeros by bits 3:0. */
vector(
  "66 0f 3a 21",
  "INSERTPS Vdq,Hdq,Wss,Ib",
  (i) => {
    const source = firstSource(i);
    const from = readXmm(i, source + 1);
    const control = immediate(i);
    const chosen = i.isMemory(source + 1)
      ? from
      : toBottom(i, from, i.op("i32.shr_u", control, i.i32(6)), 4);
    const element = i.op("i32x4.splat", i.lane("i32x4.extract_lane", 0, chosen));
    const where = i.op("i32.and", i.op("i32.shr_u", control, i.i32(4)), i.i32(3));
    const inserted = i.op(
      "v128.bitselect",
      element,
      readXmm(i, source),
      maskOfElement(i, "i32x4", where),
    );
    writeXmm(i, 0, i.op("v128.andnot", inserted, maskOfBits(i, control, 4)));
  },
  { ...L0, level: SSE4 },
);

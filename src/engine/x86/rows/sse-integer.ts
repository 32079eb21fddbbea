import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Level } from "../mode.ts";
import { row } from "../row.ts";
import { binary, type LaneOperation, type VectorOptions, vector } from "../sse/forms.ts";
import { bytes, checkMmx, commitMmx, readMmx, writeMmx } from "../sse/operands.ts";

/** An instruction of two vectors. */
export function packed(
  encoding: string,
  name: string,
  compute: LaneOperation,
  options?: VectorOptions,
): void {
  vector(encoding, `${name} Vx,Hx,Wx`, binary(compute), options);
}

/** An MMX instruction of two operands. Only the low halves of what is computed with count. */
export function mmx(
  encoding: string,
  name: string,
  compute: LaneOperation,
  { operands = "Pq,Qq", level = 1 }: { operands?: string; level?: Level } = {},
): void {
  row(
    encoding,
    `${name} ${operands}`,
    (i) => {
      checkMmx(i);
      const b = readMmx(i, 1);
      const a = readMmx(i, 0);
      commitMmx(i);
      writeMmx(i, 0, compute(i, a, b, 0));
    },
    { unit: "mmx", level },
  );
}

/** An instruction that exists for MMX and, with 66, for vectors. */
export function both(opcode: string, name: string, compute: LaneOperation, level?: Level): void {
  const options = level === undefined ? {} : { level };
  mmx(`NP 0f ${opcode}`, name, compute, options);
  packed(`66 0f ${opcode}`, name, compute, options);
}

/** As {@link both} for operations that join elements of both operands: a and b side by side. */
export function joining(opcode: string, name: string, compute: LaneOperation, level?: Level): void {
  const options = level === undefined ? {} : { level };
  mmx(
    `NP 0f ${opcode}`,
    name,
    (i, a, b, k) => {
      const joined = i.shuffle(a, b, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
      return compute(i, joined, joined, k);
    },
    options,
  );
  packed(`66 0f ${opcode}`, name, compute, options);
}

/** The operations that WebAssembly has as they are. */
const DIRECT = `
fc PADDB i8x16.add, fd PADDW i16x8.add, fe PADDD i32x4.add, d4 PADDQ i64x2.add
f8 PSUBB i8x16.sub, f9 PSUBW i16x8.sub, fa PSUBD i32x4.sub, fb PSUBQ i64x2.sub
ec PADDSB i8x16.add_sat_s, ed PADDSW i16x8.add_sat_s, dc PADDUSB i8x16.add_sat_u, dd PADDUSW i16x8.add_sat_u
e8 PSUBSB i8x16.sub_sat_s, e9 PSUBSW i16x8.sub_sat_s, d8 PSUBUSB i8x16.sub_sat_u, d9 PSUBUSW i16x8.sub_sat_u
74 PCMPEQB i8x16.eq, 75 PCMPEQW i16x8.eq, 76 PCMPEQD i32x4.eq
64 PCMPGTB i8x16.gt_s, 65 PCMPGTW i16x8.gt_s, 66 PCMPGTD i32x4.gt_s
db PAND v128.and, eb POR v128.or, ef PXOR v128.xor
d5 PMULLW i16x8.mul, f5 PMADDWD i32x4.dot_i16x8_s
e0 PAVGB i8x16.avgr_u, e3 PAVGW i16x8.avgr_u
da PMINUB i8x16.min_u, de PMAXUB i8x16.max_u, ea PMINSW i16x8.min_s, ee PMAXSW i16x8.max_s
`;
for (const [, opcode, name, operation] of DIRECT.matchAll(/(\S\S) (\S+) ([^\s,]+)/g) as Iterable<
  [string, string, string, string]
>)
  both(opcode, name, (i, a, b) => i.op(operation, a, b));

both("df", "PANDN", (i, a, b) => i.op("v128.andnot", b, a));

// High halves of 32-bit products, which stand at odd 16-bit elements.
const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
for (const [opcode, name, sign] of [
  ["e5", "PMULHW", "s"],
  ["e4", "PMULHUW", "u"],
] as const)
  both(opcode, name, (i, a, b) =>
    i.shuffle(
      i.op(`i32x4.extmul_low_i16x8_${sign}`, a, b),
      i.op(`i32x4.extmul_high_i16x8_${sign}`, a, b),
      HIGH_WORDS,
    ),
  );

/** Elements 0 and 2 side by side. */
export function evenWords(i: Instruction, a: Value): Value {
  return i.shuffle(a, a, [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
}
both("f4", "PMULUDQ", (i, a, b) =>
  i.op("i64x2.extmul_low_i32x4_u", evenWords(i, a), evenWords(i, b)),
);

both("f6", "PSADBW", (i, a, b) => {
  const difference = i.op("i8x16.sub", i.op("i8x16.max_u", a, b), i.op("i8x16.min_u", a, b));
  const pairs = i.op("i16x8.extadd_pairwise_i8x16_u", difference);
  const fours = i.op("i32x4.extadd_pairwise_i16x8_u", pairs);
  const eights = i.op("i64x2.add", fours, i.op("i64x2.shr_u", fours, i.i32(32)));
  return i.op("v128.and", eights, bytes(i, 0xff, 0xff, 0, 0, 0, 0, 0, 0));
});

joining("63", "PACKSSWB", (i, a, b) => i.op("i8x16.narrow_i16x8_s", a, b));
joining("67", "PACKUSWB", (i, a, b) => i.op("i8x16.narrow_i16x8_u", a, b));
joining("6b", "PACKSSDW", (i, a, b) => i.op("i16x8.narrow_i32x4_s", a, b));

/** Bytes of a and b in turn, `size` at a time, from byte `from` on. */
function interleaved(size: number, from: number): number[] {
  return Array.from({ length: 16 }, (_, k) => {
    const unit = Math.floor(k / size);
    return (unit & 1) * 16 + from + (unit >> 1) * size + (k % size);
  });
}
for (const [lowCode, highCode, suffix, size] of [
  ["60", "68", "BW", 1],
  ["61", "69", "WD", 2],
  ["62", "6a", "DQ", 4],
] as const) {
  mmx(`NP 0f ${lowCode}`, `PUNPCKL${suffix}`, (i, a, b) => i.shuffle(a, b, interleaved(size, 0)), {
    operands: "Pq,Qd",
  });
  packed(`66 0f ${lowCode}`, `PUNPCKL${suffix}`, (i, a, b) =>
    i.shuffle(a, b, interleaved(size, 0)),
  );
  mmx(`NP 0f ${highCode}`, `PUNPCKH${suffix}`, (i, a, b) => i.shuffle(a, b, interleaved(size, 4)));
  packed(`66 0f ${highCode}`, `PUNPCKH${suffix}`, (i, a, b) =>
    i.shuffle(a, b, interleaved(size, 8)),
  );
}
packed("66 0f 6c", "PUNPCKLQDQ", (i, a, b) => i.shuffle(a, b, interleaved(8, 0)));
packed("66 0f 6d", "PUNPCKHQDQ", (i, a, b) => i.shuffle(a, b, interleaved(8, 8)));

// The logical operations of floating-point registers, and their unpacking.
for (const [prefix, suffix] of [
  ["NP", "PS"],
  ["66", "PD"],
] as const) {
  packed(`${prefix} 0f 54`, `AND${suffix}`, (i, a, b) => i.op("v128.and", a, b));
  packed(`${prefix} 0f 55`, `ANDN${suffix}`, (i, a, b) => i.op("v128.andnot", b, a));
  packed(`${prefix} 0f 56`, `OR${suffix}`, (i, a, b) => i.op("v128.or", a, b));
  packed(`${prefix} 0f 57`, `XOR${suffix}`, (i, a, b) => i.op("v128.xor", a, b));
  const size = suffix === "PS" ? 4 : 8;
  packed(`${prefix} 0f 14`, `UNPCKL${suffix}`, (i, a, b) => i.shuffle(a, b, interleaved(size, 0)));
  packed(`${prefix} 0f 15`, `UNPCKH${suffix}`, (i, a, b) => i.shuffle(a, b, interleaved(size, 8)));
}

import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import { doubleWordIndices, shiftBytes } from "../sse/shuffle.ts";
import {
  FLAGS_AUX,
  FLAGS_RESULT,
  SSE_FIRST,
  SSE_INTEGER,
  SSE_RESULT,
  SSE_SECOND,
  XMM,
} from "../state.ts";
import { evenWords, xmm } from "./sse-integer.ts";

/** Integer and logical instructions of SSE4.1 and SSE4.2. */
const SSE = { unit: "sse" } as const;

for (const [opcode, name, operation] of [
  ["29", "PCMPEQQ", "i64x2.eq"],
  ["2b", "PACKUSDW", "i16x8.narrow_i32x4_u"],
  ["37", "PCMPGTQ", "i64x2.gt_s"],
  ["38", "PMINSB", "i8x16.min_s"],
  ["39", "PMINSD", "i32x4.min_s"],
  ["3a", "PMINUW", "i16x8.min_u"],
  ["3b", "PMINUD", "i32x4.min_u"],
  ["3c", "PMAXSB", "i8x16.max_s"],
  ["3d", "PMAXSD", "i32x4.max_s"],
  ["3e", "PMAXUW", "i16x8.max_u"],
  ["3f", "PMAXUD", "i32x4.max_u"],
  ["40", "PMULLD", "i32x4.mul"],
] as const)
  xmm(`66 0f 38 ${opcode}`, name, (i, a, b) => i.op(operation, a, b));

xmm("66 0f 38 28", "PMULDQ", (i, a, b) =>
  i.op("i64x2.extmul_low_i32x4_s", evenWords(i, a), evenWords(i, b)),
);

const WIDENINGS = [
  ["BW", "q", ["i16x8.extend_low_i8x16"]],
  ["BD", "d", ["i16x8.extend_low_i8x16", "i32x4.extend_low_i16x8"]],
  ["BQ", "w", ["i16x8.extend_low_i8x16", "i32x4.extend_low_i16x8", "i64x2.extend_low_i32x4"]],
  ["WD", "q", ["i32x4.extend_low_i16x8"]],
  ["WQ", "d", ["i32x4.extend_low_i16x8", "i64x2.extend_low_i32x4"]],
  ["DQ", "q", ["i64x2.extend_low_i32x4"]],
] as const;
for (const [base, name, sign] of [
  [0x20, "PMOVSX", "s"],
  [0x30, "PMOVZX", "u"],
] as const)
  WIDENINGS.forEach(([suffix, size, steps], k) => {
    row(
      `66 0f 38 ${(base + k).toString(16)}`,
      `${name}${suffix} Vdq,W${size}`,
      (i) => {
        let value = readXmm(i, 1);
        for (const step of steps) value = i.op(`${step}_${sign}`, value);
        writeXmm(i, 0, value);
      },
      SSE,
    );
  });

/** Blends by the top bits of XMM0's elements. */
for (const [opcode, name, shape, width] of [
  ["10", "PBLENDVB", "i8x16", 8],
  ["14", "BLENDVPS", "i32x4", 32],
  ["15", "BLENDVPD", "i64x2", 64],
] as const)
  xmm(`66 0f 38 ${opcode}`, name, (i, a, b) => {
    const mask = i.op(`${shape}.shr_s`, i.loadState(XMM, "v128"), i.i32(width - 1));
    return i.op("v128.bitselect", b, a, mask);
  });

/** ZF: no bit in common; CF: the second has none that the first has not. */
row(
  "66 0f 38 17",
  "PTEST Vdq,Wdq",
  (i) => {
    const b = readXmm(i, 1);
    const a = readXmm(i, 0);
    const common = i.op("v128.any_true", i.op("v128.and", a, b));
    const beyond = i.op("v128.any_true", i.op("v128.andnot", b, a));
    i.storeState(FLAGS_RESULT, "i64", i.extend(i.op("i32.shl", common, i.i32(8))));
    // Carry also in bit 30, so that OF is clear; bit 8: PF is clear.
    i.storeState(FLAGS_AUX, "i32", i.select(beyond, i.i32(0x100), i.i32(0xc000_0100 | 0)));
  },
  SSE,
);

/** Least unsigned word in bits 15:0, the first place where it stands in bits 18:16. */
xmm("66 0f 38 41", "PHMINPOSUW", (i, _, b) => {
  // Word and place as one number, so that the least is also the first.
  const number = (half: "low" | "high", first: number): Value => {
    const words = i.op("i32x4.shl", i.op(`i32x4.extend_${half}_i16x8_u`, b), i.i32(16));
    return i.op("v128.or", words, i.v128(places(first)));
  };
  let least = i.op("i32x4.min_u", number("low", 0), number("high", 4));
  least = i.op(
    "i32x4.min_u",
    least,
    i.shuffle(least, least, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]),
  );
  least = i.op(
    "i32x4.min_u",
    least,
    i.shuffle(least, least, [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]),
  );
  const low = i.lane("i32x4.extract_lane", 0, least);
  return i.lane("i32x4.replace_lane", 0, i.v128(0n), i.op("i32.rotl", low, i.i32(16)));
});

function places(first: number): bigint {
  return [3, 2, 1, 0].reduce((sum, k) => (sum << 32n) | BigInt(first + k), 0n);
}

/** Sums of absolute differences between four bytes of the source and eight runs of four of the destination. */
row(
  "66 0f 3a 42",
  "MPSADBW Vdq,Wdq,Ib",
  (i) => {
    const from = readXmm(i, 1);
    const control = immediate(i, 2);
    const block = i.op("i32.mul", i.op("i32.and", control, i.i32(3)), i.i32(0x55));
    const four = i.op("i8x16.swizzle", from, doubleWordIndices(i, block));
    const runs = shiftBytes(i, readXmm(i, 0), i.op("i32.and", control, i.i32(4)));
    const sums = (first: number): Value => {
      const lanes = Array.from({ length: 16 }, (_, k) => first + (k >> 2) + (k & 3));
      const run = i.shuffle(runs, runs, lanes);
      const difference = i.op(
        "i8x16.sub",
        i.op("i8x16.max_u", run, four),
        i.op("i8x16.min_u", run, four),
      );
      return i.op(
        "i32x4.extadd_pairwise_i16x8_u",
        i.op("i16x8.extadd_pairwise_i8x16_u", difference),
      );
    };
    writeXmm(i, 0, i.op("i16x8.narrow_i32x4_u", sums(0), sums(4)));
  },
  SSE,
);

/** Hand two vectors and an immediate to a helper. */
function pass(i: Instruction, aligned: boolean): void {
  i.storeState(SSE_SECOND, "v128", readXmm(i, 1, aligned));
  i.storeState(SSE_FIRST, "v128", readXmm(i, 0));
  i.storeState(SSE_INTEGER, "i32", immediate(i, 2));
}

for (const [encoding, name, helper] of [
  ["66 0f 3a 40", "DPPS", "dpps"],
  ["66 0f 3a 41", "DPPD", "dppd"],
  ["66 0f 3a 44", "PCLMULQDQ", "pclmulqdq"],
] as const)
  row(
    encoding,
    `${name} Vdq,Wdq,Ib`,
    (i) => {
      pass(i, true);
      i.helper(helper);
      writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
    },
    SSE,
  );

// String comparisons: the helper sets ECX or XMM0, and the flags. REX.W makes explicit lengths 64 bits wide.
for (const [opcode, name, explicit] of [
  ["60", "PCMPESTRM", true],
  ["61", "PCMPESTRI", true],
  ["62", "PCMPISTRM", false],
  ["63", "PCMPISTRI", false],
] as const)
  row(
    `66 0f 3a ${opcode}`,
    `${name} Vdq,Wdq,Ib`,
    (i) => {
      pass(i, false);
      const lengths = explicit ? (i.bits === 64 ? "64" : "32") : "";
      i.helper(name.toLowerCase() + lengths);
    },
    SSE,
  );

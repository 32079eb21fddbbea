import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { avx, binary, eachLane, type LaneOperation, unary, vector } from "../sse/forms.ts";
import { exactly, pass } from "../sse/guard.ts";
import {
  firstSource,
  immediate,
  isVex,
  type Lanes,
  readVector,
  readXmm,
  writeVector,
} from "../sse/operands.ts";
import { doubleWordIndices, shiftBytes } from "../sse/shuffle.ts";
import {
  FLAGS_AUX,
  FLAGS_RESULT,
  SSE_FIRST,
  SSE_INTEGER,
  SSE_RESULT,
  SSE_SECOND,
  XMM,
  YMM_UPPER,
} from "../state.ts";
import { evenWords, packed } from "./sse-integer.ts";

/** Integer and logical instructions of SSE4.1 and SSE4.2. */
const SSE4 = { level: 2 } as const;
const L0 = { length: "L0", level: 2 } as const;

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
  packed(`66 0f 38 ${opcode}`, name, (i, a, b) => i.op(operation, a, b), SSE4);

packed(
  "66 0f 38 28",
  "PMULDQ",
  (i, a, b) => i.op("i64x2.extmul_low_i32x4_s", evenWords(i, a), evenWords(i, b)),
  SSE4,
);

/** Steps of a widening, and what part of a vector it widens. */
const WIDENINGS = [
  ["BW", 2, ["i16x8.extend_low_i8x16"]],
  ["BD", 4, ["i16x8.extend_low_i8x16", "i32x4.extend_low_i16x8"]],
  ["BQ", 8, ["i16x8.extend_low_i8x16", "i32x4.extend_low_i16x8", "i64x2.extend_low_i32x4"]],
  ["WD", 2, ["i32x4.extend_low_i16x8"]],
  ["WQ", 4, ["i32x4.extend_low_i16x8", "i64x2.extend_low_i32x4"]],
  ["DQ", 2, ["i64x2.extend_low_i32x4"]],
] as const;
for (const [base, name, sign] of [
  [0x20, "PMOVSX", "s"],
  [0x30, "PMOVZX", "u"],
] as const)
  WIDENINGS.forEach(([suffix, factor, steps], k) => {
    vector(
      `66 0f 38 ${(base + k).toString(16)}`,
      `${name}${suffix} Vx,Wx/${factor}`,
      (i) => {
        const source = readXmm(i, 1);
        const count = i.decoded.vectorBits / 128;
        const lanes = Array.from({ length: count }, (_, lane) => {
          // The part that becomes this lane, to the bottom.
          const part = Array.from({ length: 16 }, (_, n) => ((lane * 16) / factor + n) & 15);
          const start = lane === 0 ? source : i.shuffle(source, source, part);
          return steps.reduce((value, step) => i.op(`${step}_${sign}`, value), start);
        });
        writeVector(i, 0, lanes);
      },
      SSE4,
    );
  });

// Blends by the top bits of a third source's elements: XMM0, or with VEX a register of its own.
for (const [opcode, vexOpcode, name, shape, width] of [
  ["10", "4c", "PBLENDVB", "i8x16", 8],
  ["14", "4a", "BLENDVPS", "i32x4", 32],
  ["15", "4b", "BLENDVPD", "i64x2", 64],
] as const) {
  const blend = (i: Instruction, masks: Lanes, a: Lanes, b: Lanes): Lanes =>
    eachLane(a, b, (x, y, k) => {
      const mask = i.op(`${shape}.shr_s`, masks[k] as Value, i.i32(width - 1));
      return i.op("v128.bitselect", y, x, mask);
    });
  row(
    `66 0f 38 ${opcode}`,
    `${name} Vdq,Wdq`,
    (i) => {
      const b = readVector(i, 1);
      writeVector(i, 0, blend(i, [i.loadState(XMM, "v128")], readVector(i, 0), b));
    },
    { unit: "sse", level: 2 },
  );
  avx(`W0 66 0f 3a ${vexOpcode}`, `V${name} Vx,Hx,Wx,Lx`, (i) => {
    const b = readVector(i, 2);
    writeVector(i, 0, blend(i, readVector(i, 3), readVector(i, 1), b));
  });
}

/** ZF: no bit in common; CF: the second has none that the first has not. `counts`: the bits that matter. */
function test(counts?: bigint): Semantics {
  return (i) => {
    const b = readVector(i, 1);
    const a = readVector(i, 0);
    const any = (operation: string): Value => {
      const bits = eachLane(a, b, (x, y) => i.op(`v128.${operation}`, y, x)).reduce((x, y) =>
        i.op("v128.or", x, y),
      );
      return i.op(
        "v128.any_true",
        counts === undefined ? bits : i.op("v128.and", bits, i.v128(counts)),
      );
    };
    const common = any("and");
    const beyond = any("andnot");
    i.storeState(FLAGS_RESULT, "i64", i.extend(i.op("i32.shl", common, i.i32(8))));
    // Carry also in bit 30, so that OF is clear; bit 8: PF is clear.
    i.storeState(FLAGS_AUX, "i32", i.select(beyond, i.i32(0x100), i.i32(0xc000_0100 | 0)));
  };
}
vector("66 0f 38 17", "PTEST Vx,Wx", test(), SSE4);
avx("W0 66 0f 38 0e", "VTESTPS Vx,Wx", test(0x80000000_80000000_80000000_80000000n));
avx("W0 66 0f 38 0f", "VTESTPD Vx,Wx", test((1n << 127n) | (1n << 63n)));

/** Least unsigned word in bits 15:0, the first place where it stands in bits 18:16. */
const leastWord = (i: Instruction, b: Value): Value => {
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
};
vector("66 0f 38 41", "PHMINPOSUW Vdq,Wdq", unary(leastWord), L0);

function places(first: number): bigint {
  return [3, 2, 1, 0].reduce((sum, k) => (sum << 32n) | BigInt(first + k), 0n);
}

/**
 * Sums of absolute differences between four bytes of the source and eight runs
 * of four of the destination. Lane 1 is directed by bits 5:3 of the immediate.
 */
const differences: LaneOperation = (i, a, b, k) => {
  const control = i.op("i32.shr_u", immediate(i), i.i32(3 * k));
  const block = i.op("i32.mul", i.op("i32.and", control, i.i32(3)), i.i32(0x55));
  const four = i.op("i8x16.swizzle", b, doubleWordIndices(i, block));
  const runs = shiftBytes(i, a, i.op("i32.and", control, i.i32(4)));
  const sums = (first: number): Value => {
    const lanes = Array.from({ length: 16 }, (_, n) => first + (n >> 2) + (n & 3));
    const run = i.shuffle(runs, runs, lanes);
    const difference = i.op(
      "i8x16.sub",
      i.op("i8x16.max_u", run, four),
      i.op("i8x16.min_u", run, four),
    );
    return i.op("i32x4.extadd_pairwise_i16x8_u", i.op("i16x8.extadd_pairwise_i8x16_u", difference));
  };
  return i.op("i16x8.narrow_i32x4_u", sums(0), sums(4));
};
vector("66 0f 3a 42", "MPSADBW Vx,Hx,Wx,Ib", binary(differences), SSE4);

for (const [encoding, text, helper, options] of [
  ["66 0f 3a 40", "DPPS Vx,Hx,Wx,Ib", "dpps", SSE4],
  ["66 0f 3a 41", "DPPD Vdq,Hdq,Wdq,Ib", "dppd", L0],
] as const)
  vector(
    encoding,
    text,
    (i) => {
      const source = firstSource(i);
      const b = readVector(i, source + 1);
      i.storeState(SSE_INTEGER, "i32", immediate(i));
      writeVector(i, 0, exactly(i, helper, readVector(i, source), b));
    },
    options,
  );

vector(
  "66 0f 3a 44",
  "PCLMULQDQ Vx,Hx,Wx,Ib",
  binary((i, a, b) => {
    pass(i, SSE_FIRST, [a]);
    pass(i, SSE_SECOND, [b]);
    i.storeState(SSE_INTEGER, "i32", immediate(i));
    i.helper("pclmulqdq");
    return i.loadState(SSE_RESULT, "v128");
  }),
  { level: 3 },
);

// String comparisons: the helper sets ECX or XMM0, and the flags. REX.W makes explicit lengths 64 bits wide.
for (const [opcode, name, explicit] of [
  ["60", "PCMPESTRM", true],
  ["61", "PCMPESTRI", true],
  ["62", "PCMPISTRM", false],
  ["63", "PCMPISTRI", false],
] as const)
  vector(
    `66 0f 3a ${opcode}`,
    `${name} Vdq,Wdq,Ib`,
    (i) => {
      pass(i, SSE_SECOND, [readXmm(i, 1, false)]);
      pass(i, SSE_FIRST, [readXmm(i, 0)]);
      i.storeState(SSE_INTEGER, "i32", immediate(i));
      const lengths = explicit ? (i.bits === 64 ? "64" : "32") : "";
      i.helper(name.toLowerCase() + lengths);
      if (isVex(i) && name.endsWith("M")) i.storeState(XMM + YMM_UPPER, "v128", i.v128(0n));
    },
    L0,
  );

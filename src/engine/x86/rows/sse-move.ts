import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { avx, unary, vector } from "../sse/forms.ts";
import {
  firstSource,
  readVector,
  readXmm,
  storeLow,
  writeVector,
  writeXmm,
} from "../sse/operands.ts";
import { MXCSR, SSE_FIRST, SSE_SECOND } from "../state.ts";

/** Of vectors of 128 bits only. */
const L0 = { length: "L0" } as const;
const LIG = { length: "LIG" } as const;
const SSE3 = 2;
const SSE4 = 2;

/** A whole register from the second operand to the first. */
function move(aligned: boolean): Semantics {
  return (i) => writeVector(i, 0, readVector(i, 1, aligned), aligned);
}

for (const [prefix, load, store, name, aligned] of [
  ["NP", "10", "11", "MOVUPS", false],
  ["66", "10", "11", "MOVUPD", false],
  ["NP", "28", "29", "MOVAPS", true],
  ["66", "28", "29", "MOVAPD", true],
  ["66", "6f", "7f", "MOVDQA", true],
  ["F3", "6f", "7f", "MOVDQU", false],
] as const) {
  vector(`${prefix} 0f ${load}`, `${name} Vx,Wx`, move(aligned));
  vector(`${prefix} 0f ${store}`, `${name} Wx,Vx`, move(aligned));
}
// Non-temporal hints mean nothing here.
vector("NP 0f 2b", "MOVNTPS Mps,Vps", move(true));
vector("66 0f 2b", "MOVNTPD Mpd,Vpd", move(true));
vector("66 0f e7", "MOVNTDQ Mx,Vx", move(true));
vector("66 0f 38 2a", "MOVNTDQA Vx,Mx", move(true), { level: SSE4 });
vector("F2 0f f0", "LDDQU Vx,Mx", move(false), { level: SSE3 });

/** A vector with one element and zeros. */
function alone(i: Instruction, shape: "f32x4" | "f64x2", vector: Value): Value {
  const element = i.lane(`${shape}.extract_lane`, 0, vector);
  return i.lane(`${shape}.replace_lane`, 0, i.v128(0n), element);
}

function replaceLow(i: Instruction, shape: "f32x4" | "f64x2", into: Value, from: Value): Value {
  return i.lane(`${shape}.replace_lane`, 0, into, i.lane(`${shape}.extract_lane`, 0, from));
}

for (const [prefix, name, size, shape] of [
  ["F3", "MOVSS", "ss", "f32x4"],
  ["F2", "MOVSD", "sd", "f64x2"],
] as const) {
  vector(
    `${prefix} 0f 10 mem`,
    `${name} V${size},M${size}`,
    (i) => writeXmm(i, 0, alone(i, shape, readXmm(i, 1))),
    LIG,
  );
  vector(
    `${prefix} 0f 11 mem`,
    `${name} M${size},V${size}`,
    (i) => storeLow(i, 0, readXmm(i, 1)),
    LIG,
  );
  const merge: Semantics = (i) => {
    const source = firstSource(i);
    const from = readXmm(i, source + 1);
    writeXmm(i, 0, replaceLow(i, shape, readXmm(i, source), from));
  };
  vector(`${prefix} 0f 10 reg`, `${name} V${size},H${size},U${size}`, merge, LIG);
  vector(`${prefix} 0f 11 reg`, `${name} U${size},H${size},V${size}`, merge, LIG);
}

// Halves: elements of the destination and of the source, by 64-bit numbers (2 and 3 are the source's).
const half = (lower: number, upper: number): number[] =>
  [lower, upper].flatMap((quarter) => Array.from({ length: 8 }, (_, k) => quarter * 8 + k));

function combine(lower: number, upper: number): Semantics {
  return (i) => {
    const source = firstSource(i);
    const from = readXmm(i, source + 1);
    writeXmm(i, 0, i.shuffle(readXmm(i, source), from, half(lower, upper)));
  };
}

vector("NP 0f 12 reg", "MOVHLPS Vdq,Hdq,Udq", combine(3, 1), L0);
vector("NP 0f 16 reg", "MOVLHPS Vdq,Hdq,Udq", combine(0, 2), L0);
for (const [prefix, suffix] of [
  ["NP", "PS"],
  ["66", "PD"],
] as const) {
  vector(`${prefix} 0f 12 mem`, `MOVL${suffix} Vq,Hq,Mq`, combine(2, 1), L0);
  vector(`${prefix} 0f 16 mem`, `MOVH${suffix} Vq,Hq,Mq`, combine(0, 2), L0);
  vector(`${prefix} 0f 13`, `MOVL${suffix} Mq,Vq`, (i) => storeLow(i, 0, readXmm(i, 1)), L0);
  vector(`${prefix} 0f 17`, `MOVH${suffix} Mq,Vq`, (i) => storeLow(i, 0, readXmm(i, 1), 1), L0);
}

vector("F3 0f 12", "MOVSLDUP Vps,Wps", duplicate([0, 0, 2, 2]), { level: SSE3 });
vector("F3 0f 16", "MOVSHDUP Vps,Wps", duplicate([1, 1, 3, 3]), { level: SSE3 });
vector("F2 0f 12", "MOVDDUP Vq,Wq", duplicate([0, 1, 0, 1]), { ...L0, level: SSE3 });
avx("L1 F2 0f 12", "VMOVDDUP Vqq,Wqq", duplicate([0, 1, 0, 1]));

function duplicate(words: readonly number[]): Semantics {
  const lanes = words.flatMap((word) => [0, 1, 2, 3].map((k) => word * 4 + k));
  return unary((i, from) => i.shuffle(from, from, lanes));
}

// Between general and vector registers: 32 bits, or 64 with REX.W or VEX.W.
vector(
  "66 0f 6e",
  "MOVD Vdq,Ey",
  (i) => writeXmm(i, 0, i.lane("i64x2.replace_lane", 0, i.v128(0n), i.read(1))),
  L0,
);
vector(
  "66 0f 7e",
  "MOVD Ey,Vdq",
  (i) => i.write(0, i.lane("i64x2.extract_lane", 0, readXmm(i, 1))),
  L0,
);
const moveQuadWord: Semantics = (i) => writeXmm(i, 0, alone(i, "f64x2", readXmm(i, 1)));
vector("F3 0f 7e", "MOVQ Vq,Wq", moveQuadWord, L0);
vector("66 0f d6 mem", "MOVQ Mq,Vq", (i) => storeLow(i, 0, readXmm(i, 1)), L0);
vector("66 0f d6 reg", "MOVQ Uq,Vq", moveQuadWord, L0);

for (const [encoding, text, shape, elements] of [
  ["NP 0f 50", "MOVMSKPS Gd,Ups", "i32x4", 4],
  ["66 0f 50", "MOVMSKPD Gd,Upd", "i64x2", 2],
  ["66 0f d7", "PMOVMSKB Gd,Ux", "i8x16", 16],
] as const)
  vector(encoding, text, (i) => {
    const bits = readVector(i, 1).map((lane, k) =>
      i.op("i32.shl", i.op(`${shape}.bitmask`, lane), i.i32(elements * k)),
    );
    i.write(0, i.extend(bits.reduce((x, y) => i.op("i32.or", x, y))));
  });

/** Stores the bytes whose mask byte has its top bit set. */
vector(
  "66 0f f7",
  "MASKMOVDQU Kdq,Vdq,Udq",
  (i) => maskedStore(i, readXmm(i, 1), readXmm(i, 2), "maskmovdqu"),
  L0,
);

export function maskedStore(i: Instruction, data: Value, mask: Value, helper: string): void {
  i.storeState(SSE_FIRST, "v128", data);
  i.storeState(SSE_SECOND, "v128", mask);
  i.passAddress(0, i.width(0) / 8, "write");
  i.helper(helper);
}

vector(
  "NP 0f ae /2 mem",
  "LDMXCSR Md",
  (i) => {
    const value = i.wrap(i.read(0));
    i.if(i.op("i32.shr_u", value, i.i32(16)), () => i.raise(13));
    i.storeState(MXCSR, "i32", value);
    i.helper("mxcsr_changed");
  },
  L0,
);
vector("NP 0f ae /3 mem", "STMXCSR Md", (i) => i.write(0, i.loadState(MXCSR, "i64.32u")), L0);

import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { readXmm, storeLow, writeXmm } from "../sse/operands.ts";
import { MXCSR, SSE_FIRST, SSE_SECOND } from "../state.ts";

const SSE = { unit: "sse" } as const;

/** A whole register from the second operand to the first. */
function move(aligned: boolean): Semantics {
  return (i) => writeXmm(i, 0, readXmm(i, 1, aligned), aligned);
}

for (const [prefix, load, store, name, operand, aligned] of [
  ["NP", "10", "11", "MOVUPS", "ps", false],
  ["66", "10", "11", "MOVUPD", "pd", false],
  ["NP", "28", "29", "MOVAPS", "ps", true],
  ["66", "28", "29", "MOVAPD", "pd", true],
  ["66", "6f", "7f", "MOVDQA", "dq", true],
  ["F3", "6f", "7f", "MOVDQU", "dq", false],
] as const) {
  row(`${prefix} 0f ${load}`, `${name} V${operand},W${operand}`, move(aligned), SSE);
  row(`${prefix} 0f ${store}`, `${name} W${operand},V${operand}`, move(aligned), SSE);
}
// Non-temporal hints mean nothing here.
row("NP 0f 2b", "MOVNTPS Mps,Vps", move(true), SSE);
row("66 0f 2b", "MOVNTPD Mpd,Vpd", move(true), SSE);
row("66 0f e7", "MOVNTDQ Mdq,Vdq", move(true), SSE);
row("66 0f 38 2a", "MOVNTDQA Vdq,Mdq", move(true), SSE);
row("F2 0f f0", "LDDQU Vdq,Mdq", move(false), SSE);

/** A vector with one element and zeros. */
function alone(i: Instruction, shape: "i32x4" | "i64x2", vector: Value): Value {
  const element = i.lane(`${shape}.extract_lane`, 0, vector);
  return i.lane(`${shape}.replace_lane`, 0, i.v128(0n), element);
}

function replaceLow(i: Instruction, shape: "i32x4" | "i64x2", into: Value, from: Value): Value {
  return i.lane(`${shape}.replace_lane`, 0, into, i.lane(`${shape}.extract_lane`, 0, from));
}

for (const [prefix, name, operand, shape] of [
  ["F3", "MOVSS", "ss", "i32x4"],
  ["F2", "MOVSD", "sd", "i64x2"],
] as const) {
  row(
    `${prefix} 0f 10 mem`,
    `${name} V${operand},M${operand}`,
    (i) => writeXmm(i, 0, alone(i, shape, readXmm(i, 1))),
    SSE,
  );
  row(
    `${prefix} 0f 11 mem`,
    `${name} M${operand},V${operand}`,
    (i) => storeLow(i, 0, readXmm(i, 1)),
    SSE,
  );
  const merge: Semantics = (i) => {
    const from = readXmm(i, 1);
    writeXmm(i, 0, replaceLow(i, shape, readXmm(i, 0), from));
  };
  row(`${prefix} 0f 10 reg`, `${name} V${operand},U${operand}`, merge, SSE);
  row(`${prefix} 0f 11 reg`, `${name} U${operand},V${operand}`, merge, SSE);
}

// Halves: elements of the destination and of the source, by 64-bit numbers (2 and 3 are the source's).
const half = (lower: number, upper: number): number[] =>
  [lower, upper].flatMap((quarter) => Array.from({ length: 8 }, (_, k) => quarter * 8 + k));

function combine(lower: number, upper: number): Semantics {
  return (i) => {
    const from = readXmm(i, 1);
    writeXmm(i, 0, i.shuffle(readXmm(i, 0), from, half(lower, upper)));
  };
}

row("NP 0f 12 reg", "MOVHLPS Vdq,Udq", combine(3, 1), SSE);
row("NP 0f 16 reg", "MOVLHPS Vdq,Udq", combine(0, 2), SSE);
for (const [prefix, suffix] of [
  ["NP", "PS"],
  ["66", "PD"],
] as const) {
  row(`${prefix} 0f 12 mem`, `MOVL${suffix} Vq,Mq`, combine(2, 1), SSE);
  row(`${prefix} 0f 16 mem`, `MOVH${suffix} Vq,Mq`, combine(0, 2), SSE);
  row(`${prefix} 0f 13`, `MOVL${suffix} Mq,Vq`, (i) => storeLow(i, 0, readXmm(i, 1)), SSE);
  row(`${prefix} 0f 17`, `MOVH${suffix} Mq,Vq`, (i) => storeLow(i, 0, readXmm(i, 1), 1), SSE);
}

row("F3 0f 12", "MOVSLDUP Vps,Wps", duplicate([0, 0, 2, 2]), SSE);
row("F3 0f 16", "MOVSHDUP Vps,Wps", duplicate([1, 1, 3, 3]), SSE);
row("F2 0f 12", "MOVDDUP Vq,Wq", duplicate([0, 1, 0, 1]), SSE);

function duplicate(words: readonly number[]): Semantics {
  const lanes = words.flatMap((word) => [0, 1, 2, 3].map((k) => word * 4 + k));
  return (i) => {
    const from = readXmm(i, 1);
    writeXmm(i, 0, i.shuffle(from, from, lanes));
  };
}

// Between general and XMM registers: 32 bits, or 64 with REX.W.
row(
  "66 0f 6e",
  "MOVD Vdq,Ey",
  (i) => {
    writeXmm(i, 0, i.lane("i64x2.replace_lane", 0, i.v128(0n), i.read(1)));
  },
  SSE,
);
row(
  "66 0f 7e",
  "MOVD Ey,Vdq",
  (i) => i.write(0, i.lane("i64x2.extract_lane", 0, readXmm(i, 1))),
  SSE,
);
row("F3 0f 7e", "MOVQ Vq,Wq", (i) => writeXmm(i, 0, alone(i, "i64x2", readXmm(i, 1))), SSE);
row("66 0f d6 mem", "MOVQ Mq,Vq", (i) => storeLow(i, 0, readXmm(i, 1)), SSE);
row("66 0f d6 reg", "MOVQ Uq,Vq", (i) => writeXmm(i, 0, alone(i, "i64x2", readXmm(i, 1))), SSE);

for (const [encoding, name, shape] of [
  ["NP 0f 50", "MOVMSKPS Gd,Ups", "i32x4"],
  ["66 0f 50", "MOVMSKPD Gd,Upd", "i64x2"],
  ["66 0f d7", "PMOVMSKB Gd,Udq", "i8x16"],
] as const)
  row(encoding, name, (i) => i.write(0, i.extend(i.op(`${shape}.bitmask`, readXmm(i, 1)))), SSE);

/** Stores the bytes whose mask byte has its top bit set. */
row(
  "66 0f f7",
  "MASKMOVDQU Kdq,Vdq,Udq",
  (i) => {
    maskedStore(i, readXmm(i, 1), readXmm(i, 2), "maskmovdqu");
  },
  SSE,
);

export function maskedStore(i: Instruction, data: Value, mask: Value, helper: string): void {
  i.storeState(SSE_FIRST, "v128", data);
  i.storeState(SSE_SECOND, "v128", mask);
  i.passAddress(0, i.width(0) / 8, "write");
  i.helper(helper);
}

row(
  "NP 0f ae /2 mem",
  "LDMXCSR Md",
  (i) => {
    const value = i.wrap(i.read(0));
    i.if(i.op("i32.shr_u", value, i.i32(16)), () => i.raise(13));
    i.storeState(MXCSR, "i32", value);
    i.helper("mxcsr_changed");
  },
  SSE,
);
row("NP 0f ae /3 mem", "STMXCSR Md", (i) => i.write(0, i.loadState(MXCSR, "i64.32u")), SSE);

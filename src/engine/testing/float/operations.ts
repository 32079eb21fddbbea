/**
 * Floating-point instructions, and where their operands go. Operands are in ST(0), ST(1), XMM0 (the
 * destination), XMM1, XMM2, memory at RSI, and RAX; results come back in the same places.
 */

import type { MemoryKind } from "../../x87/row.ts";
import { x87Row } from "../../x87/table.ts";
import { allCodes } from "../../x87/testing/codes.ts";
import { TRANSCENDENTAL } from "../allowances.ts";
import { BCD, F32, F64, F80, I16, I32, I64, type NumberFormat } from "./operands.ts";

export type Place = "xmm0" | "xmm1" | "xmm2" | "st0" | "st1" | "memory" | "rax";

export interface Operand {
  readonly format: NumberFormat;
  readonly place: Place;
  /** Numbers side by side. */
  readonly lanes: number;
}

export interface Operation {
  readonly name: string;
  readonly unit: "x87" | "sse";
  readonly code: readonly number[];
  readonly operands: readonly Operand[];
  /** The last bit is left to the implementation, and what follows from it. */
  readonly approximate: boolean;
}

const found: Operation[] = [];

function sse(name: string, code: string, ...operands: Operand[]): void {
  const bytes = code.split(" ").map((byte) => Number.parseInt(byte, 16));
  found.push({ name, unit: "sse", code: bytes, operands, approximate: false });
}

const operand = (format: NumberFormat, place: Place, lanes = 1): Operand => ({
  format,
  place,
  lanes,
});

/** ps, pd, ss, sd: mandatory prefix, bytes before the opcode. */
const FORMS = [
  { suffix: "SS", prefix: "f3 ", format: F32, lanes: 1 },
  { suffix: "SD", prefix: "f2 ", format: F64, lanes: 1 },
  { suffix: "PS", prefix: "", format: F32, lanes: 4 },
  { suffix: "PD", prefix: "66 ", format: F64, lanes: 2 },
] as const;

const ROUNDINGS = [0, 1, 2, 3, 4, 8, 12];
const PREDICATES = ["EQ", "LT", "LE", "UNORD", "NEQ", "NLT", "NLE", "ORD"];

for (const { suffix, prefix, format, lanes } of FORMS) {
  const a = operand(format, "xmm0", lanes);
  const b = operand(format, "xmm1", lanes);
  for (const [name, opcode] of [
    ["ADD", "58"],
    ["MUL", "59"],
    ["SUB", "5c"],
    ["MIN", "5d"],
    ["DIV", "5e"],
    ["MAX", "5f"],
  ] as const)
    sse(name + suffix, `${prefix}0f ${opcode} c1`, a, b);
  sse(`SQRT${suffix}`, `${prefix}0f 51 c1`, b);
  for (const [predicate, name] of PREDICATES.entries())
    sse(`CMP${name}${suffix}`, `${prefix}0f c2 c1 0${predicate}`, a, b);
  const round = { SS: "0a", SD: "0b", PS: "08", PD: "09" }[suffix];
  for (const control of ROUNDINGS)
    sse(`ROUND${suffix} ${control}`, `66 0f 3a ${round} c1 ${control.toString(16)}`, b);
  // 132: XMM0 * XMM2 + XMM1, 213: XMM1 * XMM0 + XMM2, 231: XMM1 * XMM2 + XMM0
  const fused = [a, b, operand(format, "xmm2", lanes)];
  const scalar = lanes === 1;
  const vex = `c4 e2 ${format === F64 ? "f1" : "71"}`;
  for (const [order, base] of [
    ["132", 0x90],
    ["213", 0xa0],
    ["231", 0xb0],
  ] as const)
    for (const [name, packed, single] of [
      ["VFMADD", 8, 9],
      ["VFMSUB", 10, 11],
      ["VFNMADD", 12, 13],
      ["VFNMSUB", 14, 15],
      ["VFMADDSUB", 6, -1],
      ["VFMSUBADD", 7, -1],
    ] as const) {
      const low = scalar ? single : packed;
      if (low >= 0)
        sse(`${name}${order}${suffix}`, `${vex} ${(base + low).toString(16)} c2`, ...fused);
    }
}
for (const [suffix, prefix, format, lanes] of [
  ["PS", "f2 ", F32, 4],
  ["PD", "66 ", F64, 2],
] as const) {
  const both = [operand(format, "xmm0", lanes), operand(format, "xmm1", lanes)];
  sse(`ADDSUB${suffix}`, `${prefix}0f d0 c1`, ...both);
  sse(`HADD${suffix}`, `${prefix}0f 7c c1`, ...both);
  sse(`HSUB${suffix}`, `${prefix}0f 7d c1`, ...both);
  const dot = suffix === "PS" ? "40" : "41";
  for (const control of ["ff", "31", "73"])
    sse(`DP${suffix} ${control}`, `66 0f 3a ${dot} c1 ${control}`, ...both);
}
for (const [suffix, prefix, format] of [
  ["SS", "", F32],
  ["SD", "66 ", F64],
] as const) {
  const both = [operand(format, "xmm0"), operand(format, "xmm1")];
  sse(`UCOMI${suffix}`, `${prefix}0f 2e c1`, ...both);
  sse(`COMI${suffix}`, `${prefix}0f 2f c1`, ...both);
  const scalar = suffix === "SS" ? "f3" : "f2";
  const source = operand(format, "xmm1");
  sse(`CVT${suffix}2SI 32`, `${scalar} 0f 2d c1`, source);
  sse(`CVT${suffix}2SI 64`, `${scalar} 48 0f 2d c1`, source);
  sse(`CVTT${suffix}2SI 32`, `${scalar} 0f 2c c1`, source);
  sse(`CVTT${suffix}2SI 64`, `${scalar} 48 0f 2c c1`, source);
  sse(`CVTSI2${suffix} 32`, `${scalar} 0f 2a c0`, operand(I32, "rax"));
  sse(`CVTSI2${suffix} 64`, `${scalar} 48 0f 2a c0`, operand(I64, "rax"));
}
sse("CVTSS2SD", "f3 0f 5a c1", operand(F32, "xmm1"));
sse("CVTSD2SS", "f2 0f 5a c1", operand(F64, "xmm1"));
sse("CVTPS2PD", "0f 5a c1", operand(F32, "xmm1", 2));
sse("CVTPD2PS", "66 0f 5a c1", operand(F64, "xmm1", 2));
sse("CVTDQ2PS", "0f 5b c1", operand(I32, "xmm1", 4));
sse("CVTPS2DQ", "66 0f 5b c1", operand(F32, "xmm1", 4));
sse("CVTTPS2DQ", "f3 0f 5b c1", operand(F32, "xmm1", 4));
sse("CVTDQ2PD", "f3 0f e6 c1", operand(I32, "xmm1", 2));
sse("CVTPD2DQ", "f2 0f e6 c1", operand(F64, "xmm1", 2));
sse("CVTTPD2DQ", "66 0f e6 c1", operand(F64, "xmm1", 2));

const MEMORY: Partial<Record<MemoryKind, NumberFormat>> = {
  m16int: I16,
  m32int: I32,
  m64int: I64,
  m32fp: F32,
  m64fp: F64,
  m80fp: F80,
  m80bcd: BCD,
};
/** Loads and constants, which push: ST(7) is empty for them. */
const UNARY =
  /^f(sqrt|rndint|abs|chs|tst|xam|sin|cos|sincos|ptan|2xm1|xtract|st|stp|ist|istp|isttp|bstp)$/;
const NONE =
  /^f(nop|n?init|n?clex|n?stcw|n?stsw|ldcw|n?stenv|ldenv|n?save|rstor|neni|ndisi|nsetpm|incstp|decstp|free|freep)$/;

/** Of the eight forms of ST(i) that of ST(1); nothing that moves images or control words. */
for (const code of allCodes()) {
  const [opcode, modrm] = code;
  if (code.length !== 2 || opcode === undefined || modrm === undefined) continue;
  const row = x87Row(opcode, modrm);
  if (row === undefined || NONE.test(row.mnemonic)) continue;
  if (row.operands.includes("(i)") && row.index !== 1) continue;
  const memory = row.memory === null ? undefined : MEMORY[row.memory];
  const st0 = operand(F80, "st0");
  const numbers =
    row.access === "load" && memory !== undefined
      ? /^f(ld|ild|bld)$/.test(row.mnemonic)
        ? [operand(memory, "memory")]
        : [st0, operand(memory, "memory")]
      : UNARY.test(row.mnemonic)
        ? [st0]
        : [st0, operand(F80, "st1")];
  found.push({
    name: `${row.mnemonic.toUpperCase()} ${code.map((byte) => byte.toString(16)).join(" ")}`,
    unit: "x87",
    code,
    operands: numbers,
    approximate: TRANSCENDENTAL.test(row.mnemonic.toUpperCase()),
  });
}

export const OPERATIONS: readonly Operation[] = found;

const DEFINED =
  /^F(I?(ADD|MUL|SUB|SUBR|DIV|DIVR)P?|SQRT|RNDINT|LD|ST|STP|ILD|IST|ISTP|ISTTP|BLD|BSTP|CHS|ABS) /;

/**
 * Those that processors of every vendor answer alike, as long as the x87's exceptions are masked:
 * Intel's and AMD's differ in the last place of transcendental instructions, and in what the manuals
 * leave undefined.
 */
export function isDefinedEverywhere({ unit, name }: Operation): boolean {
  return unit === "sse" || DEFINED.test(name);
}

import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import { convertExactly, exactly } from "../sse/guard.ts";
import { checkMmx, commitMmx, readMmx, readXmm, writeMmx, writeXmm } from "../sse/operands.ts";

/** Conversions between MMX registers, which hold two 32-bit integers, and XMM registers. */
const SSE = { unit: "sse" } as const;

// From memory there is no transition to MMX.
for (const [form, operand] of [
  ["mem", "M"],
  ["reg", "N"],
] as const) {
  const read = (i: Instruction): Value => {
    if (form === "mem") return readXmm(i, 1);
    checkMmx(i);
    return readMmx(i, 1);
  };
  row(
    `NP 0f 2a ${form}`,
    `CVTPI2PS Vq,${operand}q`,
    (i) => {
      const source = read(i);
      const [result] = exactly(i, "cvtpi2ps", [readXmm(i, 0)], [source]);
      if (form === "reg") commitMmx(i);
      writeXmm(i, 0, result as Value);
    },
    SSE,
  );
  row(
    `66 0f 2a ${form}`,
    `CVTPI2PD Vpd,${operand}q`,
    (i) => {
      const source = read(i);
      if (form === "reg") commitMmx(i);
      writeXmm(i, 0, i.op("f64x2.convert_low_i32x4_s", source));
    },
    SSE,
  );
}
for (const [prefix, letter, size] of [
  ["NP", "s", "q"],
  ["66", "d", "pd"],
] as const)
  for (const [opcode, truncates] of [
    ["2c", "t"],
    ["2d", ""],
  ] as const)
    row(
      `${prefix} 0f ${opcode}`,
      `CVT${truncates.toUpperCase()}P${letter.toUpperCase()}2PI Pq,W${size}`,
      (i) => {
        checkMmx(i);
        const [result] = convertExactly(i, `cvt${truncates}p${letter}2pi`, [readXmm(i, 1)]);
        commitMmx(i);
        writeMmx(i, 0, result as Value);
      },
      SSE,
    );

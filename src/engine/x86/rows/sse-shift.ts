import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import { vector } from "../sse/forms.ts";
import {
  checkMmx,
  commitMmx,
  firstSource,
  immediate,
  readMmx,
  readVector,
  readXmm,
  writeMmx,
  writeVector,
} from "../sse/operands.ts";
import { shiftBytes } from "../sse/shuffle.ts";
import { mmx } from "./sse-integer.ts";

/** Shifts of vector elements: counts past the element's width give zeros, or copies of the sign. */
function shifted(i: Instruction, shape: string, kind: string, a: Value, count: Value): Value {
  const width = shape === "i16x8" ? 16 : shape === "i32x4" ? 32 : 64;
  const inside = i.ltU(count, i.i64(width));
  const amount = i.wrap(count);
  if (kind === "shr_s")
    return i.op(`${shape}.shr_s`, a, i.select(inside, amount, i.i32(width - 1)));
  return i.select(inside, i.op(`${shape}.${kind}`, a, amount), i.v128(0n));
}

const SHIFTS = [
  ["d1", "71 /2", "PSRLW", "i16x8", "shr_u"],
  ["d2", "72 /2", "PSRLD", "i32x4", "shr_u"],
  ["d3", "73 /2", "PSRLQ", "i64x2", "shr_u"],
  ["e1", "71 /4", "PSRAW", "i16x8", "shr_s"],
  ["e2", "72 /4", "PSRAD", "i32x4", "shr_s"],
  ["f1", "71 /6", "PSLLW", "i16x8", "shl"],
  ["f2", "72 /6", "PSLLD", "i32x4", "shl"],
  ["f3", "73 /6", "PSLLQ", "i64x2", "shl"],
] as const;

for (const [byRegister, byImmediate, name, shape, kind] of SHIFTS) {
  const lowOf = (i: Instruction, vector: Value): Value => i.lane("i64x2.extract_lane", 0, vector);
  mmx(`NP 0f ${byRegister}`, name, (i, a, b) => shifted(i, shape, kind, a, lowOf(i, b)));
  vector(`66 0f ${byRegister}`, `${name} Vx,Hx,Wdq`, (i) => {
    const source = firstSource(i);
    const count = lowOf(i, readXmm(i, source + 1));
    const lanes = readVector(i, source);
    writeVector(
      i,
      0,
      lanes.map((lane) => shifted(i, shape, kind, lane, count)),
    );
  });
  row(
    `NP 0f ${byImmediate}`,
    `${name} Nq,Ib`,
    (i) => {
      checkMmx(i);
      const a = readMmx(i, 0);
      commitMmx(i);
      writeMmx(i, 0, shifted(i, shape, kind, a, i.extend(immediate(i))));
    },
    { unit: "mmx" },
  );
  vector(`66 0f ${byImmediate}`, `${name} Hx,Ux,Ib`, (i) => {
    const count = i.extend(immediate(i));
    const lanes = readVector(i, firstSource(i));
    writeVector(
      i,
      0,
      lanes.map((lane) => shifted(i, shape, kind, lane, count)),
    );
  });
}

for (const [encoding, name, right] of [
  ["66 0f 73 /3", "PSRLDQ", true],
  ["66 0f 73 /7", "PSLLDQ", false],
] as const)
  vector(encoding, `${name} Hx,Ux,Ib`, (i) => {
    const count = immediate(i);
    const distance = right ? count : i.op("i32.sub", i.i32(0), atMost(i, count, 16));
    const lanes = readVector(i, firstSource(i));
    writeVector(
      i,
      0,
      lanes.map((lane) => shiftBytes(i, lane, distance)),
    );
  });

function atMost(i: Instruction, value: Value, limit: number): Value {
  return i.select(i.op("i32.lt_u", value, i.i32(limit)), value, i.i32(limit));
}

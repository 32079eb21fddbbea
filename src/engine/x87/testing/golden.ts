/**
 * Cases as lines of text, recorded from an AMD EPYC (family 25, model 17) by
 * record-golden.ts into golden.txt, so that hosts of every kind test against silicon.
 *
 * A line is `mnemonic code FCW FSW FTW EFLAGS ST(0) ST(1) ST(7) memory > FSW FTW EFLAGS
 * ST(0) ST(1) ST(2) ST(7) memory`; numbers are hexadecimal, `memory` 80 bits or AX. The
 * registers not named are zero before.
 */
import { C1 } from "../context.ts";
import type { X87Row } from "../row.ts";
import {
  AX,
  CODE,
  CODE_LENGTH,
  FLAGS,
  IMAGE,
  isTranscendental,
  MEMORY,
  number80,
  RECORD_BYTES,
  rowOf,
  STATUS,
  setStackRegister,
  stackRegister,
  TAG_WORD,
  withinOneUlp,
} from "./record.ts";

const BEFORE = [0, 1, 7];
const AFTER = [0, 1, 2, 7];

export function formatBefore(record: Uint8Array): string {
  const view = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
  const code = Buffer.from(record.subarray(CODE, CODE + record[CODE_LENGTH])).toString("hex");
  const control = view.getUint16(IMAGE, true).toString(16);
  return `${rowOf(record).mnemonic} ${code} ${control} ${formatState(record, BEFORE)}`;
}

export function formatAfter(record: Uint8Array): string {
  return formatState(record, AFTER);
}

function formatState(record: Uint8Array, registers: number[]): string {
  const view = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
  const words = [
    view.getUint16(STATUS, true),
    view.getUint16(TAG_WORD, true),
    view.getUint16(FLAGS, true),
  ];
  const numbers = registers.map((i) => number80(stackRegister(record, i)));
  return [...words.map((word) => word.toString(16)), ...numbers, formatMemory(record)].join(" ");
}

function formatMemory(record: Uint8Array): string {
  const view = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
  const at = rowOf(record).operands === "ax" ? AX : MEMORY;
  const bits = (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);
  return rowOf(record).operands === "ax" ? (bits & 0xffffn).toString(16) : bits.toString(16);
}

/** The record before the instruction that a line's left half describes. */
export function parseBefore(text: string): Uint8Array {
  const [, code, control, status, tags, flags, ...rest] = text.split(" ");
  const record = new Uint8Array(RECORD_BYTES);
  const view = new DataView(record.buffer);
  const bytes = Buffer.from(code, "hex");
  record[CODE_LENGTH] = bytes.length;
  record.set(bytes, CODE);
  setWords(view, control, status, tags);
  view.setUint32(FLAGS, Number.parseInt(flags, 16), true);
  for (const [k, i] of BEFORE.entries()) setStackRegister(record, i, parse80(rest[k]));
  const memory = BigInt(`0x${rest[BEFORE.length]}`);
  view.setBigUint64(MEMORY, BigInt.asUintN(64, memory), true);
  view.setUint16(MEMORY + 8, Number(memory >> 64n), true);
  return record;
}

function setWords(view: DataView, control: string, status: string, tags: string): void {
  for (const [i, word] of [control, status, tags].entries()) {
    view.setUint16(IMAGE + 4 * i, Number.parseInt(word, 16), true);
  }
}

/** Whether two right halves are the same answer: of a transcendental instruction, to one ulp. */
export function agree(row: X87Row, a: string, b: string): boolean {
  if (!isTranscendental(row)) return a === b;
  const [status, ...fields] = a.split(" ");
  const [otherStatus, ...otherFields] = b.split(" ");
  const statusBits = Number.parseInt(status, 16) ^ Number.parseInt(otherStatus, 16);
  return (
    (statusBits & ~C1) === 0 &&
    fields.every((field, i) =>
      field.includes(":")
        ? withinOneUlp(parse80(field), parse80(otherFields[i]))
        : field === otherFields[i],
    )
  );
}

function parse80(text: string): bigint {
  return BigInt(`0x${text.replace(":", "")}`);
}

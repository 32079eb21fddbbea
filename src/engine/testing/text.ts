import { type Decoded, Decoder, type Undecodable } from "../x86/decoder.ts";
import { AT, Case, NO_EXCEPTION } from "./case.ts";
import { MODES } from "./generate.ts";
import { BASED_16, CODE, CODE_16, CODE_32, CODE_64, FLAT_DATA, MEMORY_BYTES } from "./layout.ts";

/**
 * Cases as lines of text: `64 0fafc1 rax=3 rcx=5`. Bits of the code segment, the instruction, then
 * every field that is not what it is by default; numbers are hexadecimal. `m1f0=0a0b` are bytes of
 * the case's memory from offset 1f0 on.
 */

interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

const FIELDS: Field[] = [];
const add = (name: string, at: number, bytes: number): void => {
  FIELDS.push({ name, at, bytes });
};
["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"].forEach((name, k) => {
  add(name, AT.general + 8 * k, 8);
});
for (let k = 8; k < 16; k++) add(`r${k}`, AT.general + 8 * k, 8);
add("rip", AT.rip, 8);
add("flags", AT.rflags, 4);
add("fsbase", AT.fsBase, 8);
add("gsbase", AT.gsBase, 8);
["es", "cs", "ss", "ds", "fs", "gs"].forEach((name, k) => {
  add(name, AT.selectors + 2 * k, 2);
});
add("fcw", AT.image, 2);
add("fsw", AT.image + 2, 2);
add("tags", AT.image + 4, 1);
add("fop", AT.image + 6, 2);
add("fip", AT.image + 8, 8);
add("fdp", AT.image + 16, 8);
add("mxcsr", AT.mxcsr, 4);
for (let k = 0; k < 8; k++) add(`st${k}`, AT.st + 16 * k, 10);
for (let k = 0; k < 16; k++) add(`xmm${k}`, AT.xmm + 16 * k, 16);
for (let k = 0; k < 16; k++) add(`ymm${k}`, AT.ymmHigh + 16 * k, 16);
const RESULTS: readonly Field[] = [
  { name: "vector", at: AT.vector, bytes: 4 },
  { name: "error", at: AT.error, bytes: 4 },
  { name: "outside", at: AT.outside, bytes: 4 },
  { name: "cr2", at: AT.cr2, bytes: 8 },
];

const BY_NAME = new Map([...FIELDS, ...RESULTS].map((field) => [field.name, field]));
const SELECTOR: Readonly<Record<number, number>> = { 16: CODE_16, 32: CODE_32, 64: CODE_64 };
const DEFAULT_START = 0x2000;

function getNumber(record: Case, { at, bytes }: Field): bigint {
  let value = 0n;
  for (let k = bytes - 1; k >= 0; k--) value = (value << 8n) | BigInt(record.u8[at + k] as number);
  return value;
}

function setNumber(record: Case, { at, bytes }: Field, value: bigint): void {
  for (let k = 0; k < bytes; k++) record.u8[at + k] = Number((value >> BigInt(8 * k)) & 0xffn);
}

/** A case of which nothing is said but its code. */
export function defaultCase(bits: 16 | 32 | 64, code: ArrayLike<number>, start: number): Case {
  const record = new Case();
  record.bits = bits;
  record.code = code;
  record.start = start;
  const data = bits === 64 ? 0 : bits === 32 ? FLAT_DATA : BASED_16;
  const stack = bits === 16 ? BASED_16 : FLAT_DATA;
  [data, SELECTOR[bits] as number, stack, data, 0, 0].forEach((selector, k) => {
    record.setSelector(k, selector);
  });
  record.setNumber(AT.rip, bits === 16 ? start : CODE + start);
  record.rflags = 0x202;
  record.mxcsr = 0x1f80;
  record.setX87(0x37f, 0, 0);
  return record;
}

function changes(from: Case, to: Case, fields: readonly Field[]): string[] {
  const words: string[] = [];
  for (const field of fields) {
    const value = getNumber(to, field);
    if (value !== getNumber(from, field)) words.push(`${field.name}=${value.toString(16)}`);
  }
  for (let at = 0; at < MEMORY_BYTES; ) {
    let end = at;
    // A gap of a few bytes costs less than another word.
    for (let k = at; k < Math.min(end + 4, MEMORY_BYTES); k++)
      if (from.u8[AT.memory + k] !== to.u8[AT.memory + k]) end = k + 1;
    if (end > at) {
      let first = at;
      while (from.u8[AT.memory + first] === to.u8[AT.memory + first]) first++;
      const bytes = to.u8.subarray(AT.memory + first, AT.memory + end);
      words.push(`m${first.toString(16)}=${Buffer.from(bytes).toString("hex")}`);
    }
    at = Math.max(end, at + 1);
  }
  return words;
}

export function formatCase(record: Case): string {
  const { bits, start } = record;
  const plain = defaultCase(bits, record.code, start);
  const words = [`${bits}`, Buffer.from(record.code).toString("hex")];
  if (start !== DEFAULT_START) words.push(`start=${start.toString(16)}`);
  return [...words, ...changes(plain, record, FIELDS)].join(" ");
}

/** What a case made of its start; without an exception nothing is said of one. */
export function formatOutcome(before: Case, after: Case): string {
  return changes(completed(before), after, [...RESULTS, ...FIELDS]).join(" ");
}

function completed(before: Case): Case {
  const record = new Case();
  record.copy(before);
  record.vector = NO_EXCEPTION;
  return record;
}

function assign(record: Case, word: string): void {
  const [name = "", value = ""] = word.split("=");
  const memory = /^m([0-9a-f]+)$/.exec(name);
  const field = BY_NAME.get(name);
  if (memory !== null) {
    const at = Number.parseInt(memory[1] as string, 16);
    record.u8.set(Buffer.from(value, "hex"), AT.memory + at);
  } else if (field !== undefined && /^[0-9a-f]+$/.test(value))
    setNumber(record, field, BigInt(`0x${value}`));
  else throw new SyntaxError(`"${word}": a case has no such field`);
}

/** @throws SyntaxError naming what is not understood */
export function parseCase(text: string): Case {
  const [bits = "", code = "", ...rest] = text.trim().split(/\s+/);
  if (!["16", "32", "64"].includes(bits))
    throw new SyntaxError(`"${bits}": a case begins with 16, 32 or 64`);
  if (!/^([0-9a-f]{2}){1,15}$/.test(code))
    throw new SyntaxError(`"${code}": an instruction is 1 to 15 bytes in hexadecimal`);
  const placed = rest[0]?.startsWith("start=") ? rest.shift() : undefined;
  const start = placed === undefined ? DEFAULT_START : Number.parseInt(placed.slice(6), 16);
  const record = defaultCase(Number(bits) as 16 | 32 | 64, Buffer.from(code, "hex"), start);
  for (const word of rest) assign(record, word);
  return record;
}

/** The case that an outcome describes, from what it started from. */
export function parseOutcome(before: Case, text: string): Case {
  const record = completed(before);
  for (const word of text.split(" ")) if (word !== "") assign(record, word);
  return record;
}

const decoder = new Decoder();
const bytes = new Uint8Array(32);

export function decodeCase(record: Case): Decoded | Undecodable {
  bytes.fill(0x90);
  bytes.set(record.code);
  return decoder.decode(bytes, MODES[record.bits]);
}

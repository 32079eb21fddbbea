/** Vectors as cases for silicon.c and the engine, and what differs between two answers. */
import { AT, type Case, NO_EXCEPTION } from "../case.ts";
import { DATA, MEMORY } from "../layout.ts";
import { defaultCase } from "../text.ts";
import { type Random, vector } from "./operands.ts";
import type { Operand, Operation } from "./operations.ts";

/** Precision control, as likely as they are used. */
const PRECISIONS = [3, 3, 2, 0];

/** An instruction before its operands: RSI points to memory. */
export function start(code: readonly number[]): Case {
  const record = defaultCase(64, code, 0x2000);
  record.setNumber(AT.general + 8 * RSI, DATA + MEMORY);
  return record;
}
const RSI = 6;

/** Puts a number into its place. */
export function put(record: Case, { format, place }: Operand, lane: number, bits: bigint): void {
  const { view } = record;
  const store = (at: number): void => {
    if (format.bits === 80) {
      view.setBigUint64(at, BigInt.asUintN(64, bits), true);
      view.setUint16(at + 8, Number(bits >> 64n), true);
    } else if (format.bits === 64) view.setBigUint64(at + 8 * lane, bits, true);
    else if (format.bits === 32) view.setUint32(at + 4 * lane, Number(bits), true);
    else view.setUint16(at, Number(bits), true);
  };
  switch (place) {
    case "rax":
      record.setGeneral(0, bits);
      return;
    case "memory":
      store(AT.memory);
      return;
    case "st0":
    case "st1":
      store(AT.st + (place === "st0" ? 0 : 16));
      return;
    default:
      store(AT.xmm + 16 * Number(place[3]));
  }
}

/** What is left to chance beside the operands: rounding, precision, masks, flags raised before, FTZ and DAZ. */
export function randomModes(
  random: Random,
  operation: Operation,
  record: Case,
  anyVendor: boolean,
): void {
  const rounding = random.below(4);
  const masked = anyVendor && operation.unit === "x87";
  const unmasked = !masked && random.below(4) === 0 ? random.below(64) : 0;
  record.rflags = 2 | (random.word() & 0x8d5);
  if (operation.unit === "sse") {
    const masks = 0x3f & ~unmasked;
    // what is raised already must not be unmasked, or the next instruction would not be the cause
    const raised = random.below(2) === 0 ? 0 : random.below(64) & masks;
    const zeros = random.below(2) === 0 ? 0 : random.pick([0x40, 0x8000, 0x8040]);
    record.mxcsr = (masks << 7) | raised | zeros | (rounding << 13);
    return;
  }
  const masks = 0x3f & ~unmasked;
  const raised = random.below(2) === 0 ? 0 : random.below(64) & masks;
  const control = 0x40 | masks | (random.pick(PRECISIONS) << 8) | (rounding << 10);
  // One register of the eight is empty: what a load pushes to.
  const top = random.below(8);
  record.setX87(control, raised | (top << 11), 0xff & ~(1 << ((top + 7) & 7)));
}

/**
 * Records for `count` operand tuples, several to a record where an instruction takes several.
 * @param anyVendor nothing unmasked on the x87, where processors differ
 */
export function cases(
  operation: Operation,
  random: Random,
  count: number,
  anyVendor = false,
): Case[] {
  const { operands } = operation;
  const formats = operands.map(({ format }) => format);
  const lanes = operands[0]?.lanes ?? 1;
  const records = Array.from({ length: Math.ceil(count / lanes) }, () => start(operation.code));
  records.forEach((record, k) => {
    randomModes(random, operation, record, anyVendor);
    for (let lane = 0; lane < lanes; lane++) {
      const tuple = vector(formats, random, k * lanes + lane, count);
      operands.forEach((operand, which) => {
        put(record, operand, lane, tuple[which] as bigint);
      });
    }
  });
  return records;
}

/** OF, SF, ZF, AF, PF, CF. */
const ARITHMETIC_FLAGS = 0x8d5;
/** Of the x87 status word: which way an inexact result was rounded. */
const C1 = 0x200;

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .reverse()
    .join("");

/** Of two 80-bit numbers of one sign; infinite for different signs. */
export function ulps(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [a, b].map((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
    const exponent = BigInt(view.getUint16(8, true) & 0x7fff);
    const significand = view.getBigUint64(0, true);
    // rises by one from each magnitude to the next, the integer bit left out
    return exponent === 0n ? significand : (exponent << 63n) + BigInt.asUintN(63, significand);
  }) as [bigint, bigint];
  if (((a[9] as number) ^ (b[9] as number)) & 0x80) return Number.POSITIVE_INFINITY;
  return Math.abs(Number(x - y));
}

/** Words of a record that count for every operation: exception, RAX, x87 and SSE state, memory. */
const WORDS: number[] = [AT.vector, AT.general, AT.general + 4, AT.image, AT.mxcsr];
for (let k = 0; k < 4; k++) WORDS.push(AT.memory + 4 * k);
for (let k = 0; k < 8; k++) WORDS.push(AT.st + 16 * k, AT.st + 4 + 16 * k);
for (let k = 0; k < 12; k++) WORDS.push(AT.xmm + 4 * k);

/** Whether two answers are the same to the last bit. */
function same(ours: Case, theirs: Case): boolean {
  const [a, b] = [ours.view, theirs.view];
  for (const at of WORDS) if (a.getUint32(at, true) !== b.getUint32(at, true)) return false;
  for (let at = AT.st + 8; at < AT.xmm; at += 16)
    if (a.getUint16(at, true) !== b.getUint16(at, true)) return false;
  return ours.tags === theirs.tags && ((ours.rflags ^ theirs.rflags) & ARITHMETIC_FLAGS) === 0;
}

/** What differs in two answers, as text; empty if nothing that counts. */
export function differences({ approximate }: Operation, ours: Case, theirs: Case): string {
  if (same(ours, theirs)) return "";
  const found: string[] = [];
  const check = (name: string, a: string | number | bigint, b: string | number | bigint): void => {
    if (a !== b) found.push(`${name} ${a.toString(16)}, silicon ${b.toString(16)}`);
  };
  check("vector", ours.vector | 0, theirs.vector | 0);
  check("MXCSR", ours.mxcsr, theirs.mxcsr);
  const status = approximate ? ~C1 : ~0;
  check("status", ours.fsw & status, theirs.fsw & status);
  check("tags", ours.tags, theirs.tags);
  for (let k = 0; k < 8; k++) {
    const [a, b] = [ours.st(k).subarray(0, 10), theirs.st(k).subarray(0, 10)];
    if (!approximate || ulps(a, b) > 1) check(`ST(${k})`, hex(a), hex(b));
  }
  for (let k = 0; k < 3; k++) check(`XMM${k}`, hex(ours.xmm(k)), hex(theirs.xmm(k)));
  if (theirs.vector === NO_EXCEPTION) {
    check("flags", ours.rflags & ARITHMETIC_FLAGS, theirs.rflags & ARITHMETIC_FLAGS);
    check("RAX", ours.general(0), theirs.general(0));
    check("memory", hex(ours.memory.subarray(0, 16)), hex(theirs.memory.subarray(0, 16)));
  }
  return found.join("; ");
}

/** A case as a line from which it can be repeated. */
export function describeCase({ name, unit, operands }: Operation, record: Case): string {
  const modes =
    unit === "sse"
      ? `MXCSR ${record.mxcsr.toString(16)}`
      : `FCW ${record.fcw.toString(16)} FSW ${record.fsw.toString(16)}`;
  const places = operands.map(({ place }) => {
    if (place === "rax") return `RAX ${record.general(0).toString(16)}`;
    if (place === "memory") return `memory ${hex(record.memory.subarray(0, 10))}`;
    if (place === "st0" || place === "st1")
      return `${place} ${hex(record.st(place === "st0" ? 0 : 1).subarray(0, 10))}`;
    return `${place} ${hex(record.xmm(Number(place[3])))}`;
  });
  return `${name} ${modes} ${places.join(" ")}`;
}

/**
 * A case: one instruction on one FPU state. As bytes it is the record that silicon.c
 * reads and answers; the software FPU answers it in the same form, so that the two can
 * be held against each other.
 */
import { C1 } from "../context.ts";
import { X87 } from "../fpu.ts";
import { EFLAGS, OPERAND } from "../layout.ts";
import { operandBytes, type X87Row } from "../row.ts";
import { x87Row } from "../table.ts";

export const RECORD_BYTES = 304;
export const CODE_LENGTH = 0;
export const CODE = 1;
export const FLAGS = 16;
/** The answer's AX, for FNSTSW AX. */
export const AX = 24;
/** FSAVE image, 32-bit protected-mode format. */
export const IMAGE = 32;
export const STATUS = IMAGE + 4;
export const TAG_WORD = IMAGE + 8;
export const STACK = IMAGE + 28;
/** Memory at (%rsi), 164 bytes. */
export const MEMORY = 140;

/** Whether an instruction's last bit is left to the implementation, and C1 with it. */
export function isTranscendental(row: X87Row): boolean {
  return /^(f2xm1|fyl2x|fyl2xp1|fpatan|fptan|fsin|fcos|fsincos)$/.test(row.mnemonic);
}

const WINDOW = 256;

function form(opcode: number, modrm: number): X87Row {
  const row = x87Row(opcode, modrm);
  if (row === undefined)
    throw new RangeError(`no x87 form ${opcode.toString(16)} ${modrm.toString(16)}`);
  return row;
}

const FRSTOR = form(0xdd, 0x26);
const FNSAVE = form(0xdd, 0x36);

/** The form that a record's code begins with; a 66 prefix is skipped. */
export function rowOf(record: Uint8Array): X87Row {
  const at = record[CODE] === 0x66 ? CODE + 1 : CODE;
  return form(record[at], record[at + 1]);
}

/** Answers records as silicon.c does. */
export class SoftwareFpu {
  readonly #memory = new ArrayBuffer(1024);
  readonly #window = new DataView(this.#memory, WINDOW);
  readonly #scratch = new Uint8Array(this.#memory, WINDOW + OPERAND, 160);
  readonly #fpu = new X87(this.#memory, WINDOW);

  answer(record: Uint8Array): void {
    const fpu = this.#fpu;
    const scratch = this.#scratch;
    const view = viewOf(record);
    scratch.set(record.subarray(IMAGE, IMAGE + 108));
    fpu.execute(FRSTOR);
    this.#window.setUint32(EFLAGS, view.getUint32(FLAGS, true), true);
    if (record[CODE] === 0x0f) this.#extended(record);
    else this.#instruction(record);
    view.setUint32(FLAGS, this.#window.getUint32(EFLAGS, true), true);
    fpu.execute(FNSAVE);
    record.set(scratch.subarray(0, 108), IMAGE);
  }

  #instruction(record: Uint8Array): void {
    const row = rowOf(record);
    const narrow = record[CODE] === 0x66;
    const fpu = this.#fpu;
    const scratch = this.#scratch;
    if (row.access === "load" && row.memory !== null) {
      const bytes = operandBytes(row.memory, narrow ? 16 : 32);
      scratch.set(record.subarray(MEMORY, MEMORY + bytes));
    }
    const bytes = fpu.execute(row, narrow ? "protected-16" : "protected-32");
    if (bytes === 0) return;
    record.set(scratch.subarray(0, bytes), row.operands === "ax" ? AX : MEMORY);
    fpu.commit();
  }

  /** FXSAVE (0F AE /0) and FXRSTOR (/1). */
  #extended(record: Uint8Array): void {
    const scratch = this.#scratch;
    scratch.set(record.subarray(MEMORY, MEMORY + 160));
    if ((record[CODE + 2] & 0x38) === 8) {
      this.#fpu.loadExtended(false);
    } else {
      this.#fpu.storeExtended(false);
      record.set(scratch, MEMORY);
    }
  }
}

/** What differs between two answers to one case, as text; empty if nothing that counts. */
export function differences(row: X87Row | null, software: Uint8Array, silicon: Uint8Array): string {
  const a = viewOf(software);
  const b = viewOf(silicon);
  const loose = row !== null && isTranscendental(row);
  const found: string[] = [];
  const check = (name: string, x: number, y: number) => {
    if (x !== y) found.push(`${name} ${x.toString(16)}, silicon ${y.toString(16)}`);
  };
  const status = loose ? ~C1 : ~0;
  check("FCW", a.getUint16(IMAGE, true), b.getUint16(IMAGE, true));
  check("FSW", a.getUint16(STATUS, true) & status, b.getUint16(STATUS, true) & status);
  check("FTW", a.getUint16(TAG_WORD, true), b.getUint16(TAG_WORD, true));
  check("EFLAGS", a.getUint32(FLAGS, true), b.getUint32(FLAGS, true));
  if (row?.operands === "ax") check("AX", a.getUint16(AX, true), b.getUint16(AX, true));
  for (let i = 0; i < 8; i++) {
    const x = stackRegister(software, i);
    const y = stackRegister(silicon, i);
    if (loose ? !withinOneUlp(x, y) : x !== y) {
      found.push(`ST(${i}) ${number80(x)}, silicon ${number80(y)}`);
    }
  }
  for (let i = 0; i < 164; i++) {
    if (!isForeign(row, silicon, i))
      check(`memory[${i}]`, software[MEMORY + i], silicon[MEMORY + i]);
  }
  return found.join("; ");
}

/**
 * Whether a byte of a stored image is not of this room: the instruction and data pointers
 * (the engine writes them, and AMD's processors keep them only while an exception is
 * pending), and in FXSAVE MXCSR and the XMM registers.
 */
function isForeign(row: X87Row | null, record: Uint8Array, at: number): boolean {
  if (row === null) return (at >= 6 && at < 32) || at >= 160;
  if (row.mnemonic !== "fnstenv" && row.mnemonic !== "fnsave") return false;
  return record[CODE] === 0x66 ? at >= 6 && at < 14 : at >= 12 && at < 28;
}

export function stackRegister(record: Uint8Array, i: number): bigint {
  const view = viewOf(record);
  const at = STACK + 10 * i;
  return (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);
}

export function setStackRegister(record: Uint8Array, i: number, bits: bigint): void {
  const view = viewOf(record);
  view.setBigUint64(STACK + 10 * i, BigInt.asUintN(64, bits), true);
  view.setUint16(STACK + 10 * i + 8, Number(bits >> 64n), true);
}

/** 80 bits as `exponent:significand`. */
export function number80(bits: bigint): string {
  const hex = bits.toString(16).padStart(20, "0");
  return `${hex.slice(0, 4)}:${hex.slice(4)}`;
}

/** Neighbours among the 80-bit numbers, of one sign. */
export function withinOneUlp(a: bigint, b: bigint): boolean {
  const distance = ordinal(a) - ordinal(b);
  return a >> 79n === b >> 79n && distance >= -1n && distance <= 1n;
}

/** Rises by one from each magnitude to the next: the integer bit, which follows from the rest, left out. */
function ordinal(bits: bigint): bigint {
  const exponent = (bits >> 64n) & 0x7fffn;
  return exponent === 0n ? BigInt.asUintN(64, bits) : (exponent << 63n) + BigInt.asUintN(63, bits);
}

function viewOf(record: Uint8Array): DataView {
  return new DataView(record.buffer, record.byteOffset, record.byteLength);
}

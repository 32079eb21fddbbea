import type { Load, Store, Value } from "../../micro/micro-op.ts";
import { SIGN_EXPONENT, STATUS_WORD, TAGS } from "../../x87/layout.ts";
import type { Instruction } from "../instruction.ts";
import { SS, X87 } from "../state.ts";

/** How vector instructions read and write their operands. */

function isStack(i: Instruction, index: number): boolean {
  const operand = i.decoded.operands[index];
  return operand?.kind === "memory" && operand.segment === SS;
}

/** #GP(0) unless a linear address is a multiple of 16. */
function checkAligned(i: Instruction, address: Value): void {
  i.if(i.op("i32.and", i.wrap(address), i.i32(15)), () => i.raise(13));
}

function load(i: Instruction, index: number, bytes: number, kind: Load, aligned = false): Value {
  const address = i.linear(index, bytes, "read");
  if (aligned) checkAligned(i, address);
  return i.loadGuest(address, kind, { stack: isStack(i, index) });
}

function store(
  i: Instruction,
  index: number,
  bytes: number,
  kind: Store,
  value: Value,
  aligned = false,
): void {
  const address = i.linear(index, bytes, "write");
  if (aligned) checkAligned(i, address);
  i.storeGuest(address, kind, value, { stack: isStack(i, index) });
}

/**
 * An XMM register, or a memory operand of the row's size as its low elements;
 * what memory does not give is unspecified. Operands of 16 bytes must be aligned.
 */
export function readXmm(i: Instruction, index: number, aligned = true): Value {
  if (!i.isMemory(index)) return i.loadState(i.place(index), "v128");
  switch (i.width(index)) {
    case 128:
      return load(i, index, 16, "v128", aligned);
    case 64:
      return i.op("f64x2.splat", load(i, index, 8, "f64"));
    case 32:
      return i.op("f32x4.splat", load(i, index, 4, "f32"));
    default:
      return i.op("i16x8.splat", load(i, index, 2, "i32.16u"));
  }
}

/** All 16 bytes of an XMM register or of memory. */
export function writeXmm(i: Instruction, index: number, value: Value, aligned = true): void {
  if (i.isMemory(index)) store(i, index, 16, "v128", value, aligned);
  else i.storeState(i.place(index), "v128", value);
}

/** The low 4 or 8 bytes of a vector to memory. */
export function storeLow(i: Instruction, index: number, vector: Value, element = 0): void {
  if (i.width(index) === 64)
    store(i, index, 8, "i64", i.lane("i64x2.extract_lane", element, vector));
  else store(i, index, 4, "i32", i.lane("i32x4.extract_lane", element, vector));
}

/** An MMX register or 4 or 8 bytes of memory in the low half of a vector, the high half is unspecified. */
export function readMmx(i: Instruction, index: number): Value {
  return i.op("i64x2.splat", readMmx64(i, index));
}

export function readMmx64(i: Instruction, index: number): Value {
  if (!i.isMemory(index)) return i.loadState(i.place(index), "i64");
  const narrow = i.width(index) === 32;
  return load(i, index, narrow ? 4 : 8, narrow ? "i64.32u" : "i64");
}

/** Write an MMX register: the register's sign and exponent become all ones. */
export function writeMmx64(i: Instruction, index: number, value: Value): void {
  const place = i.place(index);
  i.storeState(place, "i64", value);
  const above =
    "word" in place ? { word: place.word, plus: SIGN_EXPONENT } : place.offset + SIGN_EXPONENT;
  i.storeState(above, "i32.16", i.i32(0xffff));
}

export function writeMmx(i: Instruction, index: number, vector: Value): void {
  writeMmx64(i, index, i.lane("i64x2.extract_lane", 0, vector));
}

/** Exception summary of the x87 status word: an unmasked exception is pending. */
const ES = 0x80;
const TOP = 0x3800;

/** The start of an MMX instruction: a pending x87 exception comes first (Intel SDM vol. 3, 12.5). */
export function checkMmx(i: Instruction): void {
  const status = i.loadState(X87 + STATUS_WORD, "i32");
  i.if(i.op("i32.and", status, i.i32(ES)), () => i.helper("x87_check"));
}

/** What every MMX instruction leaves of the x87 state: TOP 0, and all registers valid (EMMS: empty). */
export function commitMmx(i: Instruction, tags = 0xff): void {
  const status = i.loadState(X87 + STATUS_WORD, "i32");
  i.storeState(X87 + STATUS_WORD, "i32", i.op("i32.and", status, i.i32(~TOP)));
  i.storeState(X87 + TAGS, "i32", i.i32(tags));
}

/** A vector of equal bytes, or of given bytes from the lowest. */
export function bytes(i: Instruction, ...values: readonly number[]): Value {
  let constant = 0n;
  for (let k = 15; k >= 0; k--)
    constant = (constant << 8n) | BigInt((values[k % values.length] as number) & 0xff);
  return i.v128(constant);
}

/** An immediate byte (i32, 0..255). */
export function immediate(i: Instruction, index: number): Value {
  return i.op("i32.and", i.wrap(i.read(index)), i.i32(0xff));
}

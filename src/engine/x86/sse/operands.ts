import type { Load, Place, Store, Value } from "../../micro/micro-op.ts";
import { SIGN_EXPONENT, STATUS_WORD, TAGS } from "../../x87/layout.ts";
import type { Instruction } from "../instruction.ts";
import { ADDRESS, X87, YMM_UPPER } from "../state.ts";

/** How vector instructions read and write their operands. */

/** A vector's lanes of 128 bits: one, or the two of a YMM register, lower first. */
export type Lanes = readonly Value[];

/** Whether the form being lifted has a VEX prefix: its memory need not be aligned, its destination's upper bits become 0. */
export function isVex(i: Instruction): boolean {
  return i.decoded.row.vex !== undefined;
}

/** Number of the first source: an operand of its own (H) with VEX, the destination without. */
export function firstSource(i: Instruction): 0 | 1 {
  return i.decoded.row.operands.some(({ method }) => method === "H") ? 1 : 0;
}

/** Where a register's byte `offset` (0..31) and what follows in its lane stand. */
export function byteOf(place: Place, offset: number): Place {
  const plus = offset < 16 ? offset : YMM_UPPER + offset - 16;
  return "word" in place ? { word: place.word, plus } : { offset: place.offset + plus };
}

/** Where bits 255:128 of a register stand. */
export function upperHalf(place: Place): Place {
  return byteOf(place, 16);
}

/** Or-ed with the word of `probe_elements`: a non-canonical address raises #SS. */
export const STACK_ELEMENTS = 0x1_0000;

/** #GP(0) unless a linear address is a multiple of `bytes`. */
function checkAligned(i: Instruction, address: Value, bytes: number): void {
  i.if(i.op("i32.and", i.wrap(address), i.i32(bytes - 1)), () => i.raise(13));
}

/** Whether `bytes` bytes from a linear address are in two pages. */
export function crossesPage(i: Instruction, address: Value, bytes: number): Value {
  const inPage = i.op("i32.and", i.wrap(address), i.i32(0xfff));
  return i.op("i32.gt_u", inPage, i.i32(4096 - bytes));
}

/** The linear address 16 bytes further. */
function nextLane(i: Instruction, address: Value): Value {
  return i.truncate(i.add(address, i.i64(16)), i.codeBits === 64 ? 64 : 32);
}

function load(i: Instruction, index: number, bytes: number, kind: Load, aligned = false): Value {
  const address = i.linear(index, bytes, "read");
  if (aligned) checkAligned(i, address, bytes);
  return i.loadGuest(address, kind, { stack: i.usesStack(index) });
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
  if (aligned) checkAligned(i, address, bytes);
  i.storeGuest(address, kind, value, { stack: i.usesStack(index) });
}

/**
 * An XMM register, or a memory operand of the row's size as its low elements;
 * what memory does not give is unspecified. Operands of 16 bytes must be aligned,
 * unless the form has a VEX prefix.
 */
export function readXmm(i: Instruction, index: number, aligned = !isVex(i)): Value {
  if (!i.isMemory(index)) return i.loadState(i.place(index), "v128");
  switch (i.width(index)) {
    case 128:
      return load(i, index, 16, "v128", aligned);
    case 64:
      return i.op("f64x2.splat", load(i, index, 8, "f64"));
    case 32:
      return i.op("f32x4.splat", load(i, index, 4, "f32"));
    case 16:
      return i.op("i16x8.splat", load(i, index, 2, "i32.16u"));
    default:
      return i.op("i8x16.splat", load(i, index, 1, "i32.8u"));
  }
}

/** All 16 bytes of an XMM register or of memory. */
export function writeXmm(i: Instruction, index: number, value: Value, aligned = !isVex(i)): void {
  if (i.isMemory(index)) {
    store(i, index, 16, "v128", value, aligned);
    return;
  }
  i.storeState(i.place(index), "v128", value);
  if (isVex(i)) i.storeState(upperHalf(i.place(index)), "v128", i.v128(0n));
}

/** As {@link readXmm}; two lanes of an operand of 32 bytes. */
export function readVector(i: Instruction, index: number, aligned = !isVex(i)): Lanes {
  if (i.width(index) !== 256) return [readXmm(i, index, aligned)];
  if (!i.isMemory(index)) {
    const place = i.place(index);
    return [i.loadState(place, "v128"), i.loadState(upperHalf(place), "v128")];
  }
  const address = i.linear(index, 32, "read");
  if (aligned) checkAligned(i, address, 32);
  const stack = i.usesStack(index);
  const lower = i.loadGuest(address, "v128", { stack });
  return [lower, i.loadGuest(nextLane(i, address), "v128", { stack })];
}

/** As {@link writeXmm}; both lanes of an operand of 32 bytes. */
export function writeVector(
  i: Instruction,
  index: number,
  lanes: Lanes,
  aligned = !isVex(i),
): void {
  const [lower, upper] = lanes as readonly [Value, Value?];
  if (upper === undefined) {
    writeXmm(i, index, lower, aligned);
    return;
  }
  if (!i.isMemory(index)) {
    i.storeState(i.place(index), "v128", lower);
    i.storeState(upperHalf(i.place(index)), "v128", upper);
    return;
  }
  const address = i.linear(index, 32, "write");
  if (aligned) checkAligned(i, address, 32);
  else if (!i.leavesUnproved) {
    // Both pages must be writable before anything is written.
    i.if(crossesPage(i, address, 32), () => {
      i.storeState(ADDRESS, "i64", address);
      i.helper(i.usesStack(index) ? "probe_stack_vector" : "probe_vector");
    });
  }
  const stack = i.usesStack(index);
  const next = nextLane(i, address);
  if (!i.leavesUnproved) {
    i.storeGuest(address, "v128", lower, { stack });
    i.storeGuest(next, "v128", upper, { stack });
    return;
  }
  // Both lanes are found writable before the first is written.
  const halves = (
    [
      [address, lower],
      [next, upper],
    ] as const
  ).map(([at, value]) => {
    const cell = { local: -1 };
    i.loadGuest(at, "v128", { intent: "update", stack, cell });
    return { at, value, cell };
  });
  for (const { at, value, cell } of halves) i.storeGuest(at, "v128", value, { stack, cell });
}

/** The low 4 or 8 bytes of a vector to memory. */
export function storeLow(i: Instruction, index: number, vector: Value, element = 0): void {
  if (i.width(index) === 64)
    store(i, index, 8, "f64", i.lane("f64x2.extract_lane", element, vector));
  else store(i, index, 4, "f32", i.lane("f32x4.extract_lane", element, vector));
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

/** An immediate byte (i32, 0..255), the last operand. */
export function immediate(i: Instruction): Value {
  const index = i.decoded.operands.length - 1;
  return i.op("i32.and", i.wrap(i.read(index)), i.i32(0xff));
}

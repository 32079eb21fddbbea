import type { Width } from "../../vcpu.ts";
import {
  isCanonical,
  lastRead,
  readGuest8,
  readGuest16,
  readGuest32,
  readGuest64,
  writeGuest8,
  writeGuest16,
  writeGuest32,
  writeGuest64,
} from "../access.ts";
import { EFLAGS_DF } from "../control-bits.ts";
import type { Core } from "../core.ts";
import { WRITES } from "../instruction.ts";
import { translate, writeNotice } from "../paging.ts";
import { instructionRip } from "../position.ts";
import { segmentViolation } from "../segments.ts";
import {
  ADDRESS,
  EFLAGS,
  ES,
  FLAGS_AUX,
  FLAGS_RESULT,
  GPR,
  Leave,
  RIP,
  SEGMENT_BASE,
  SEGMENT_READ_LIMIT,
  SEGMENT_WRITE_LIMIT,
  segmentField,
  VALUE,
} from "../state.ts";
import { STRING_ELEMENTS, STRING_ENDED, STRING_PROGRESS } from "../string-progress.ts";
import type { Helpers } from "./helpers.ts";

/**
 * Repeated string instructions, an execution at a time (see {@link STRING_ELEMENTS}); or, in turns
 * with wasm/string-runs.ts, the next step, for which that had to give up.
 */
const RCX = 1;
const RSI = 6;
const RDI = 7;
const ES_STATE = segmentField(ES, 0);

/** What rows/string.ts left in VALUE. */
interface Repeat {
  bytes: Width;
  addressBits: number;
  /** Stop when ZF is not this (CMPS and SCAS). */
  whileZero: boolean;
  /** State offset of the source's segment, or -1: flat. */
  source: number;
  /** Signed size of a step. */
  step: number;
  /** One step, then back to WebAssembly. */
  inTurns: boolean;
  /** A comparison came out so that there are no further ones. */
  ended: boolean;
}
export const repeat: Repeat = {
  bytes: 1,
  addressBits: 32,
  whileZero: true,
  source: -1,
  step: 1,
  inTurns: false,
  ended: false,
};

export function begin(core: Core): void {
  const word = core.get(VALUE);
  repeat.bytes = (word & 0xff) as Width;
  repeat.addressBits = (word >> 8) & 0xff;
  repeat.whileZero = ((word >> 16) & 0xff) === 1;
  repeat.source = core.get(VALUE + 4) | 0;
  repeat.step = core.get(EFLAGS) & EFLAGS_DF ? -repeat.bytes : repeat.bytes;
  repeat.inTurns = word >> 24 !== 0 && repeat.step > 0;
  repeat.ended = false;
}

/** An index register by address size; 64-bit values as signed numbers (exact below 2^53). */
export function index(core: Core, register: number): number {
  const at = GPR + 8 * register;
  if (repeat.addressBits === 16) return core.get(at) & 0xffff;
  return repeat.addressBits === 32 ? core.get(at) : core.address(at);
}

export function setIndex(core: Core, register: number, value: number): void {
  const at = GPR + 8 * register;
  if (repeat.addressBits === 16) core.set(at, (core.get(at) & 0xffff_0000) | (value & 0xffff));
  else if (repeat.addressBits === 32) {
    core.set(at, value >>> 0);
    core.set(at + 4, 0);
  } else core.setAddress(at, value);
}

/** Elements that one execution may do. A 64-bit count is only compared and decremented exactly. */
export function remaining(core: Core, most: number = STRING_ELEMENTS): number {
  const at = GPR + 8 * RCX;
  const low = core.get(at);
  if (repeat.addressBits === 16) return Math.min(low & 0xffff, most);
  if (repeat.addressBits === 64 && core.get(at + 4) !== 0) return most;
  return Math.min(low, most);
}

/** Do `step`, which returns how many elements it did, until the execution has done its share. */
function repeatedly(
  core: Core,
  record: number,
  step: (core: Core, most: number) => number,
): number {
  begin(core);
  let progress = core.get(STRING_PROGRESS);
  let left = remaining(core, STRING_ELEMENTS - progress);
  const goesBack = repeat.inTurns && left > 0;
  do {
    const done = left > 0 ? step(core, left) : 0;
    progress += done;
    left -= done;
  } while (left > 0 && !goesBack && !repeat.ended);
  core.set(STRING_PROGRESS, repeat.ended ? STRING_ENDED : progress);
  return goesBack || repeat.ended ? Leave.none : end(core, record, !isDone(core));
}

export function countDown(core: Core, done: number): void {
  const at = GPR + 8 * RCX;
  const low = core.get(at);
  if (repeat.addressBits === 16) core.set(at, (low & 0xffff_0000) | ((low - done) & 0xffff));
  else {
    if (repeat.addressBits === 64 && low < done) core.set(at + 4, core.get(at + 4) - 1);
    else if (repeat.addressBits === 32) core.set(at + 4, 0);
    core.set(at, low - done);
  }
}

export function isDone(core: Core): boolean {
  const at = GPR + 8 * RCX;
  if (repeat.addressBits === 16) return (core.get(at) & 0xffff) === 0;
  return core.get(at) === 0 && (repeat.addressBits === 32 || core.get(at + 4) === 0);
}

/** Linear address of an offset in the segment at a state offset, checked. */
export function linear(core: Core, segment: number, offset: number, writes: boolean): number {
  if (segment < 0) return offset;
  const base = core.address(segment + SEGMENT_BASE);
  if (core.is64) return base + offset;
  const limitAt = segment + (writes ? SEGMENT_WRITE_LIMIT : SEGMENT_READ_LIMIT);
  if (offset + repeat.bytes - 1 > core.address(limitAt)) {
    core.setAddress(ADDRESS, offset);
    segmentViolation(core, segment, repeat.bytes | (writes ? WRITES : 0));
  }
  return (base + offset) >>> 0;
}

export function destination(core: Core): number {
  return core.is64 ? -1 : ES_STATE;
}

export function read(core: Core, at: number): void {
  switch (repeat.bytes) {
    case 1:
      lastRead.lo = readGuest8(core, at);
      break;
    case 2:
      lastRead.lo = readGuest16(core, at);
      break;
    case 4:
      lastRead.lo = readGuest32(core, at);
      break;
    default:
      readGuest64(core, at);
      return;
  }
  lastRead.hi = 0;
}

export function write(core: Core, at: number, lo: number, hi: number): void {
  if (repeat.bytes === 1) writeGuest8(core, at, lo);
  else if (repeat.bytes === 2) writeGuest16(core, at, lo);
  else if (repeat.bytes === 4) writeGuest32(core, at, lo);
  else writeGuest64(core, at, lo, hi);
}

/** Elements from `offset` upwards that stay within one page and the segment's plain limit. */
function run(core: Core, segment: number, offset: number, count: number, writes: boolean): number {
  const { bytes } = repeat;
  const at = linear(core, segment, offset, writes);
  let fit = Math.floor((4096 - (at & 0xfff)) / bytes);
  if (segment >= 0 && !core.is64) {
    const limit = core.address(segment + (writes ? SEGMENT_WRITE_LIMIT : SEGMENT_READ_LIMIT));
    fit = Math.min(fit, Math.floor((limit - offset + 1) / bytes));
  }
  if (repeat.addressBits === 16) fit = Math.min(fit, Math.floor((0x1_0000 - offset) / bytes));
  return Math.min(fit, count);
}

/** Go on with the next instruction, or come back for more. */
export function end(core: Core, record: number, more: boolean): number {
  if (!more) return Leave.none;
  core.setAddress(RIP, instructionRip(core, record));
  return Leave.dispatch;
}

function moved(core: Core, elements: number, source: boolean, target: boolean): void {
  if (source) setIndex(core, RSI, index(core, RSI) + elements * repeat.step);
  if (target) setIndex(core, RDI, index(core, RDI) + elements * repeat.step);
  countDown(core, elements);
}

/** Byte in linear memory of an address, or -1 if accesses are to be one by one. */
function hostOf(core: Core, at: number, access: "read" | "write"): number {
  return core.is64 && !isCanonical(at) ? -1 : translate(core, at, access, core.tlbSet);
}

/** Copy as many elements as lie in one page on both sides; 0: do one the slow way. */
function moveRun(core: Core, count: number): number {
  if (repeat.step < 0 || core.watching) return 0;
  const from = index(core, RSI);
  const to = index(core, RDI);
  let elements = run(core, repeat.source, from, count, false);
  elements = Math.min(elements, run(core, destination(core), to, count, true));
  if (elements < 2) return 0;
  const source = hostOf(core, linear(core, repeat.source, from, false), "read");
  const target = hostOf(core, linear(core, destination(core), to, true), "write");
  if (source < 0 || target < 0) return 0;
  const size = elements * repeat.bytes;
  // Copying forward into what is still to be read repeats a pattern: only copyWithin's other cases agree.
  if (target > source && target < source + size) return 0;
  writeNotice(core, target, size);
  core.linearMemory.copyWithin(target, source, source + size);
  moved(core, elements, true, true);
  return elements;
}

function fillRun(core: Core, count: number): number {
  if (repeat.step < 0 || core.watching) return 0;
  const to = index(core, RDI);
  const elements = run(core, destination(core), to, count, true);
  if (elements < 2) return 0;
  const target = hostOf(core, linear(core, destination(core), to, true), "write");
  if (target < 0) return 0;
  const { bytes } = repeat;
  const size = elements * bytes;
  writeNotice(core, target, size);
  const memory = core.linearMemory;
  for (let k = 0; k < bytes; k++) memory[target + k] = core.get(GPR + (k & 4)) >>> (8 * (k & 3));
  // Double what is there until the run is full.
  for (let filled = bytes; filled < size; filled *= 2)
    memory.copyWithin(target + filled, target, target + Math.min(filled, size - filled));
  moved(core, elements, false, true);
  return elements;
}

/**
 * Flags of a - b, unevaluated as micro/flags.ts keeps them: the result and the two topmost bits,
 * and bit 3, of its borrow vector. Returns whether a and b are equal.
 */
function compare(core: Core, aLow: number, aHigh: number, bLow: number, bHigh: number): boolean {
  const bits = repeat.bytes * 8;
  const low = aLow - bLow;
  const lowBorrows = (~aLow & bLow) | ((~aLow | bLow) & low);
  if (bits === 64) {
    const high = aHigh - bHigh - (aLow < bLow ? 1 : 0);
    const highBorrows = (~aHigh & bHigh) | ((~aHigh | bHigh) & high);
    core.set(FLAGS_RESULT, low);
    core.set(FLAGS_RESULT + 4, high);
    core.set(FLAGS_AUX, (highBorrows & 0xc000_0000) | (lowBorrows & 8));
    return aLow === bLow && aHigh === bHigh;
  }
  const unused = 32 - bits;
  const result = (low << unused) >> unused;
  core.set(FLAGS_RESULT, result);
  core.set(FLAGS_RESULT + 4, result >> 31);
  core.set(FLAGS_AUX, ((lowBorrows << unused) & 0xc000_0000) | (lowBorrows & 8));
  return result === 0;
}

function move(core: Core, most: number): number {
  const done = moveRun(core, most);
  if (done > 0) return done;
  read(core, linear(core, repeat.source, index(core, RSI), false));
  write(core, linear(core, destination(core), index(core, RDI), true), lastRead.lo, lastRead.hi);
  moved(core, 1, true, true);
  return 1;
}

function store(core: Core, most: number): number {
  const done = fillRun(core, most);
  if (done > 0) return done;
  const to = linear(core, destination(core), index(core, RDI), true);
  write(core, to, core.get(GPR), core.get(GPR + 4));
  moved(core, 1, false, true);
  return 1;
}

function load(core: Core): number {
  read(core, linear(core, repeat.source, index(core, RSI), false));
  const { bytes } = repeat;
  const low = core.get(GPR);
  if (bytes === 1) core.set(GPR, (low & ~0xff) | lastRead.lo);
  else if (bytes === 2) core.set(GPR, (low & ~0xffff) | lastRead.lo);
  else {
    core.set(GPR, lastRead.lo);
    core.set(GPR + 4, lastRead.hi);
  }
  moved(core, 1, true, false);
  return 1;
}

function compareStrings(core: Core): number {
  read(core, linear(core, repeat.source, index(core, RSI), false));
  const { lo, hi } = lastRead;
  read(core, linear(core, destination(core), index(core, RDI), false));
  moved(core, 1, true, true);
  repeat.ended = compare(core, lo, hi, lastRead.lo, lastRead.hi) !== repeat.whileZero;
  return 1;
}

function scan(core: Core): number {
  const { bytes } = repeat;
  read(core, linear(core, destination(core), index(core, RDI), false));
  moved(core, 1, false, true);
  const low = core.get(GPR);
  const wanted = bytes === 1 ? low & 0xff : bytes === 2 ? low & 0xffff : low;
  const equal = compare(
    core,
    wanted,
    bytes === 8 ? core.get(GPR + 4) : 0,
    lastRead.lo,
    lastRead.hi,
  );
  repeat.ended = equal !== repeat.whileZero;
  return 1;
}

/** Rows: rows/string.ts. */
export const STRING_HELPERS: Helpers = {
  rep_movs: (core, record) => repeatedly(core, record, move),
  rep_stos: (core, record) => repeatedly(core, record, store),
  rep_lods: (core, record) => repeatedly(core, record, load),
  rep_cmps: (core, record) => repeatedly(core, record, compareStrings),
  rep_scas: (core, record) => repeatedly(core, record, scan),
};

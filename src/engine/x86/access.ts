import type { Width } from "../vcpu.ts";
import { CR0_AM, EFLAGS_AC } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { hitDataBreakpoint } from "./debug.ts";
import { exitObject } from "./exit-objects.ts";
import { FAULTED, moderated, translate, tryTranslate, writeNotice } from "./paging.ts";
import { ADDRESS, ATTENTION, CR0, EFLAGS, Leave, TLB_DEVICE_PAGE, VALUE } from "./state.ts";

/**
 * Accesses to linear addresses from TypeScript: those that guest code could
 * not do through the TLB, and those of instructions that are written in
 * TypeScript. A fault abandons the instruction.
 */

const read = exitObject("memory-read");
const write = exitObject("memory-write");

/** Kind of a slow access: its bytes, or-ed with these. */
export const SLOW_WRITE = 0x100;
/** The load of a read-modify-write: checked and reported as a write. */
export const SLOW_UPDATE = 0x200;
/** A non-canonical address raises #SS rather than #GP. */
export const SLOW_STACK = 0x400;
/** A load that raises no #AC. */
export const SLOW_UNALIGNED = 0x800;

/** V8 folds no exported constants. */
const WRITES = SLOW_WRITE;
const UPDATES = SLOW_UPDATE;
const ADDRESS_WORD = ADDRESS >> 2;
const VALUE_WORD = VALUE >> 2;
const PAGE_FIELD = TLB_DEVICE_PAGE;
const { none: DONE, exception: EXCEPTION } = Leave;

/** Scratch for accesses in pieces: what is being moved, and where each page of it is. */
const BYTES = new Uint8Array(512);
const BYTES_VIEW = new DataView(BYTES.buffer);
/** Up to so many a loop is faster than views and a copy. */
const LOOP_BYTES = 32;

export function isCanonical(linear: number): boolean {
  return linear >= -0x8000_0000_0000 && linear < 0x8000_0000_0000;
}

function checkCanonical(core: Core, linear: number, size: number, stack: boolean): void {
  if (!isCanonical(linear) || !isCanonical(linear + size - 1))
    core.raiseWithCode(stack ? 12 : 13, 0);
}

/**
 * What an operand of so many bytes is to be aligned to (Intel SDM vol. 3, table 7-7): extended
 * floating point to 8; environments and states of the x87 to 2 or 4, by their words.
 */
function alignmentOf(size: number): number {
  switch (size) {
    case 10:
      return 8;
    case 14:
    case 94:
      return 2;
    case 28:
    case 108:
      return 4;
    default:
      return size <= 32 ? size : 1;
  }
}

/** #AC at CPL 3 if EFLAGS.AC asks for it. */
export function checkAlignment(core: Core, linear: number, size: number): void {
  if (
    core.watching &&
    core.cpl === 3 &&
    linear % alignmentOf(size) !== 0 &&
    core.get(CR0) & CR0_AM &&
    core.get(EFLAGS) & EFLAGS_AC
  )
    core.raiseWithCode(17, 0);
}

/** What is checked of an address before its page: #GP or #SS, then #AC. */
function checkAddress(
  core: Core,
  linear: number,
  size: number,
  stack: boolean,
  unaligned = false,
): void {
  if (core.is64) checkCanonical(core, linear, size, stack);
  if (!unaligned) checkAlignment(core, linear, size);
}

/** Move one naturally aligned piece between a view and a moderated physical address. */
function moderatePiece(
  core: Core,
  physical: number,
  width: Width,
  writes: boolean,
  view: DataView,
  at: number,
): void {
  if (writes) {
    write.address = physical;
    write.width = width;
    write.lo =
      width === 1
        ? view.getUint8(at)
        : width === 2
          ? view.getUint16(at, true)
          : view.getUint32(at, true);
    write.hi = width === 8 ? view.getUint32(at + 4, true) : 0;
    core.exit(write);
    return;
  }
  read.address = physical;
  read.width = width;
  read.lo = read.hi = 0;
  core.exit(read);
  if (width === 1) view.setUint8(at, read.lo);
  else if (width === 2) view.setUint16(at, read.lo, true);
  else view.setUint32(at, read.lo, true);
  if (width === 8) view.setUint32(at + 4, read.hi, true);
}

/** Move `size` bytes between BYTES[at] and a moderated physical address, in naturally aligned pieces. */
function moderate(core: Core, physical: number, at: number, size: number, writes: boolean): void {
  for (let done = 0; done < size; ) {
    let width: Width = 8;
    while (
      width > size - done ||
      (width > 1 && ((physical + done) & (width - 1)) !== 0 && size !== width)
    )
      width = (width >> 1) as Width;
    moderatePiece(core, physical + done, width, writes, BYTES_VIEW, at + done);
    done += width;
  }
}

/** Move within one page. */
function movePiece(
  core: Core,
  linear: number,
  at: number,
  size: number,
  writes: boolean,
  set: number,
): void {
  const host = translate(core, linear, writes ? "write" : "read", set);
  if (host < 0) {
    moderate(core, moderated.physical, at, size, writes);
    return;
  }
  const memory = core.linearMemory;
  if (writes) writeNotice(core, host, size);
  if (size === 8) {
    // most of all: stacks of interrupts, descriptors
    const view = core.linearView;
    if (writes) {
      view.setUint32(host, BYTES_VIEW.getUint32(at, true), true);
      view.setUint32(host + 4, BYTES_VIEW.getUint32(at + 4, true), true);
    } else {
      BYTES_VIEW.setUint32(at, view.getUint32(host, true), true);
      BYTES_VIEW.setUint32(at + 4, view.getUint32(host + 4, true), true);
    }
  } else if (size > LOOP_BYTES) {
    if (writes) memory.set(BYTES.subarray(at, at + size), host);
    else BYTES.set(memory.subarray(host, host + size), at);
  } else if (writes) for (let k = 0; k < size; k++) memory[host + k] = BYTES[at + k] as number;
  else for (let k = 0; k < size; k++) BYTES[at + k] = memory[host + k] as number;
}

/** Outside 64-bit mode addresses wrap at 4 GiB; those of system tables may lie beyond all the same. */
function nextPage(core: Core, linear: number): number {
  return linear === 4294967296 && !core.is64 ? 0 : linear;
}

/**
 * Move `size` bytes (at most 512) between BYTES and linear memory. Both pages
 * of an access that crosses are checked before anything is written.
 */
function move(core: Core, linear: number, size: number, writes: boolean, set: number): void {
  const first = 4096 - (linear & 0xfff);
  if (size <= first) {
    movePiece(core, linear, 0, size, writes, set);
    return;
  }
  const second = nextPage(core, linear + first);
  if (writes) {
    translate(core, linear, "write", set);
    translate(core, second, "write", set);
  }
  movePiece(core, linear, 0, first, writes, set);
  movePiece(core, second, first, size - first, writes, set);
}

/** Check that `size` bytes may be written (or read) later without a fault. */
export function probe(
  core: Core,
  linear: number,
  size: number,
  access: "read" | "write",
  set = core.tlbSet,
): void {
  translate(core, linear, access, set);
  const last = linear + size - 1;
  if (Math.floor(last / 4096) !== Math.floor(linear / 4096))
    translate(core, nextPage(core, Math.floor(last / 4096) * 4096), access, set);
}

/** As {@link move}, at the present privilege, with debug and alignment checks. */
function moveChecked(
  core: Core,
  linear: number,
  size: number,
  writes: boolean,
  stack: boolean,
  unaligned = false,
): void {
  checkAddress(core, linear, size, stack, unaligned);
  if (core.watching) {
    move(core, linear, size, writes, core.tlbSet);
    hitDataBreakpoint(core, linear, size, writes);
  } else move(core, linear, size, writes, core.tlbSet);
}

/**
 * Move bytes between VALUE and the one page that they lie in; canonical, with nothing to watch.
 *
 * @returns a reason to leave: none or an exception; or -1: the moderator has to see it in several pieces
 */
function accessWithinPage(
  core: Core,
  linear: number,
  size: number,
  kind: number,
  value: number,
): number {
  const set = core.tlbSet;
  const writes = (kind & WRITES) !== 0;
  if (kind & UPDATES && tryTranslate(core, linear, "write", set) === FAULTED) return EXCEPTION;
  const host = tryTranslate(core, linear, writes ? "write" : "read", set);
  if (host >= 0) {
    if (writes) {
      writeNotice(core, host, size);
      copy(core.linearView, host, value, size);
    } else copy(core.linearView, value, host, size);
    return DONE;
  }
  if (host === FAULTED) return EXCEPTION;
  if (size > 8 || (linear & (size - 1)) !== 0) return -1;
  moderatePiece(core, moderated.physical, size as Width, writes, core.linearView, value);
  return DONE;
}

/** Copy a few bytes in as few pieces as possible: what was stored in smaller ones is slow to load. */
function copy(view: DataView, to: number, from: number, size: number): void {
  let done = 0;
  for (; size - done >= 8; done += 8)
    view.setBigInt64(to + done, view.getBigInt64(from + done, true), true);
  if (size - done >= 4) {
    view.setInt32(to + done, view.getInt32(from + done, true), true);
    done += 4;
  }
  if (size - done >= 2) {
    view.setInt16(to + done, view.getInt16(from + done, true), true);
    done += 2;
  }
  if (size > done) view.setInt8(to + done, view.getInt8(from + done));
}

/**
 * The `device_access` function of generated code: a slow access, no load of a read-modify-write, of 1, 2,
 * 4 or 8 bytes at a multiple of that, of which the TLB knows that it is the moderator's.
 *
 * @param entry where the TLB does, as an address in linear memory
 */
export function deviceAccess(core: Core, kind: number, entry: number): number {
  const { u32 } = core;
  const page = u32[(entry - core.base + PAGE_FIELD) >> 2] as number;
  const physical = page * 4096 + ((u32[ADDRESS_WORD] as number) & 0xfff);
  const width = (kind & 0xff) as Width;
  if (kind & WRITES) {
    const value = u32[VALUE_WORD] as number;
    write.address = physical;
    write.width = width;
    write.lo = width >= 4 ? value : value & (width === 2 ? 0xffff : 0xff);
    write.hi = width === 8 ? (u32[VALUE_WORD + 1] as number) : 0;
    core.exit(write);
    return DONE;
  }
  read.address = physical;
  read.width = width;
  read.lo = read.hi = 0;
  core.exit(read);
  u32[VALUE_WORD] = read.lo;
  if (width === 8) u32[VALUE_WORD + 1] = read.hi;
  return DONE;
}

/** The `slow_access` function of templates: returns 0 or the reason to leave. */
export function slowAccess(core: Core, kind: number): number {
  const size = kind & 0xff;
  const linear = core.address(ADDRESS);
  const value = core.base + VALUE;
  const memory = core.linearMemory;
  const stack = (kind & SLOW_STACK) !== 0;
  if (!core.watching && !crossesPage(linear, size)) {
    if (core.is64) checkCanonical(core, linear, size, stack);
    const leave = accessWithinPage(core, linear, size, kind, value);
    if (leave >= 0) return leave;
  }
  if (kind & SLOW_WRITE) {
    for (let k = 0; k < size; k++) BYTES[k] = memory[value + k] as number;
    moveChecked(core, linear, size, true, stack);
    return Leave.none;
  }
  if (kind & SLOW_UPDATE) {
    checkAddress(core, linear, size, stack);
    probe(core, linear, size, "write");
  }
  moveChecked(core, linear, size, false, stack, (kind & SLOW_UNALIGNED) !== 0);
  for (let k = 0; k < size; k++) memory[value + k] = BYTES[k] as number;
  return Leave.none;
}

/**
 * The `fill_tlb` function of compiled code: whether the access can be done through the TLB now.
 * Nothing but accessed and dirty bits changes if not.
 */
export function fillTlb(core: Core, kind: number): boolean {
  const linear = core.address(ADDRESS);
  const writes = (kind & (SLOW_WRITE | SLOW_UPDATE)) !== 0;
  const size = kind & 0xff;
  if (core.watching || (linear & 0xfff) + size > 4096 || (core.is64 && !isCanonical(linear)))
    return false;
  const set = core.tlbSet;
  if (tryTranslate(core, linear, writes ? "write" : "read", set) < 0) return false;
  const host = writes ? core.tlb.writeData(linear, set) : core.tlb.read(linear, set);
  return host >= 0 && core.get(ATTENTION) === 0;
}

function crossesPage(linear: number, size: number): boolean {
  return (linear & 0xfff) > 4096 - size;
}

/** Byte in linear memory of a read at the present privilege that the TLB allows at once, or -1. */
function readable(core: Core, linear: number, size: number): number {
  return crossesPage(linear, size) ? -1 : core.tlb.read(linear, core.tlbSet);
}

/** Read at the present privilege; `stack` makes non-canonical addresses #SS. */
export function readGuest8(core: Core, linear: number): number {
  moveChecked(core, linear, 1, false, false);
  return BYTES[0] as number;
}

export function readGuest16(core: Core, linear: number, stack = false): number {
  moveChecked(core, linear, 2, false, stack);
  return BYTES_VIEW.getUint16(0, true);
}

export function readGuest32(core: Core, linear: number, stack = false): number {
  const host = readable(core, linear, 4);
  if (host >= 0) return core.linearView.getUint32(host, true);
  moveChecked(core, linear, 4, false, stack);
  return BYTES_VIEW.getUint32(0, true);
}

/** A 64-bit value as a sign-extended number: exact for addresses. Its halves are in {@link lastRead}. */
export function readGuest64(core: Core, linear: number, stack = false): number {
  const host = readable(core, linear, 8);
  if (host < 0) moveChecked(core, linear, 8, false, stack);
  return pair(core, host);
}

/** Halves of the last 64-bit value read, unsigned. */
export const lastRead = { lo: 0, hi: 0 };

/** The 64-bit value at a byte in linear memory, or in BYTES if that is negative. */
function pair(core: Core, host: number): number {
  const view = host < 0 ? BYTES_VIEW : core.linearView;
  const at = host < 0 ? 0 : host;
  lastRead.lo = view.getUint32(at, true);
  lastRead.hi = view.getUint32(at + 4, true);
  return (lastRead.hi | 0) * 4294967296 + lastRead.lo;
}

export function writeGuest8(core: Core, linear: number, value: number): void {
  BYTES[0] = value;
  moveChecked(core, linear, 1, true, false);
}

export function writeGuest16(core: Core, linear: number, value: number, stack = false): void {
  BYTES_VIEW.setUint16(0, value, true);
  moveChecked(core, linear, 2, true, stack);
}

export function writeGuest32(core: Core, linear: number, value: number, stack = false): void {
  BYTES_VIEW.setUint32(0, value, true);
  moveChecked(core, linear, 4, true, stack);
}

export function writeGuest64(
  core: Core,
  linear: number,
  lo: number,
  hi: number,
  stack = false,
): void {
  BYTES_VIEW.setUint32(0, lo, true);
  BYTES_VIEW.setUint32(4, hi, true);
  moveChecked(core, linear, 8, true, stack);
}

/**
 * Byte in linear memory of a range that lies in one page of RAM, at the present privilege; -1: it has
 * to be moved by the functions below. To be written at once, all of it.
 */
export function guestRange(
  core: Core,
  linear: number,
  size: number,
  access: "read" | "write",
): number {
  if (core.is64) checkCanonical(core, linear, size, false);
  if (core.watching || (linear & 0xfff) + size > 4096) return -1;
  const host = translate(core, linear, access, core.tlbSet);
  if (host >= 0 && access === "write") writeNotice(core, host, size);
  return host;
}

/** Raise what an access to `size` bytes at the present privilege would. */
export function probeGuestBytes(
  core: Core,
  linear: number,
  size: number,
  access: "read" | "write",
  stack = false,
): void {
  checkAddress(core, linear, size, stack);
  probe(core, linear, size, access);
}

/** Copy up to 512 bytes out of guest memory at the present privilege. */
export function readGuestBytes(
  core: Core,
  linear: number,
  into: Uint8Array,
  size = into.length,
  stack = false,
): void {
  moveChecked(core, linear, size, false, stack);
  into.set(BYTES.subarray(0, size));
}

export function writeGuestBytes(
  core: Core,
  linear: number,
  from: Uint8Array,
  size = from.length,
  stack = false,
): void {
  BYTES.set(from.subarray(0, size));
  moveChecked(core, linear, size, true, stack);
}

/**
 * Implicit supervisor accesses: descriptor tables, TSS, interrupt stacks.
 *
 * @returns a byte in linear memory that holds the bytes, or -1: they are in BYTES
 */
function readSystemBytes(core: Core, linear: number, size: number): number {
  const set = core.implicitSet;
  const host = crossesPage(linear, size) ? -1 : core.tlb.read(linear, set);
  if (host < 0) move(core, linear, size, false, set);
  return host;
}

export function readSystem(core: Core, linear: number, size: 1 | 2 | 4): number {
  const host = readSystemBytes(core, linear, size);
  const view = host < 0 ? BYTES_VIEW : core.linearView;
  const at = host < 0 ? 0 : host;
  if (size === 4) return view.getUint32(at, true);
  return size === 2 ? view.getUint16(at, true) : view.getUint8(at);
}

/** As {@link readGuest64}. */
export function readSystem64(core: Core, linear: number): number {
  return pair(core, readSystemBytes(core, linear, 8));
}

/** Write the low `size` bytes of `lo` and `hi`. */
export function writeSystem(
  core: Core,
  linear: number,
  size: 1 | 2 | 4 | 8,
  lo: number,
  hi = 0,
  set = core.implicitSet,
): void {
  const host = crossesPage(linear, size) ? -1 : core.tlb.writeData(linear, set);
  const view = host < 0 ? BYTES_VIEW : core.linearView;
  const at = host < 0 ? 0 : host;
  if (size === 1) view.setUint8(at, lo);
  else if (size === 2) view.setUint16(at, lo, true);
  else view.setUint32(at, lo, true);
  if (size === 8) view.setUint32(at + 4, hi, true);
  if (host < 0) move(core, linear, size, true, set);
}

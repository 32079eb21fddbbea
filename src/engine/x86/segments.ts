import { isCanonical } from "./access.ts";
import { CR0_PE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import {
  ATTRIBUTE_BIG,
  ATTRIBUTE_CODE,
  ATTRIBUTE_EXPAND_DOWN,
  ATTRIBUTE_PRESENT,
  ATTRIBUTE_UNUSABLE,
  ATTRIBUTE_WRITABLE,
  Descriptor,
  isNullSelector,
  TYPE_LDT,
  TYPE_TSS_16,
  TYPE_TSS_32,
} from "./descriptor.ts";
import { WRITES } from "./instruction.ts";
import { MODE_CODE_64 } from "./mode.ts";
import {
  ADDRESS,
  CPL,
  CR0,
  CS,
  GS,
  LDTR,
  MODE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENT_LIMIT,
  SEGMENT_READ_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_WRITE_LIMIT,
  SEGMENTS,
  SS,
  segmentField,
  TR,
} from "./state.ts";

/** What a segment register holds: selector and the descriptor's hidden copy. */
export interface SegmentCache {
  /** 16 bits. */
  selector: number;
  /** Linear address. */
  base: number;
  /** In bytes. */
  limit: number;
  /** As in `Segment.attributes` of the contract. */
  attributes: number;
}

/** Read and write, accessed, present data: what real and virtual-8086 mode know. */
export const REAL_MODE_ATTRIBUTES = 0x93;
const VIRTUAL_8086_ATTRIBUTES = 0xf3;
const REAL_MODE_LIMIT = 0xffff;

/** V8 folds no imported constants. The base comes first. */
const FIRST = segmentField(0, SEGMENT_BASE);
const BYTES = SEGMENT_BYTES;
const SELECTOR = SEGMENT_SELECTOR;
const LIMIT = SEGMENT_LIMIT;
const ATTRIBUTES = SEGMENT_ATTRIBUTES;

const CODE = CS;
const STACK = SS;
/** L and D of code, B of stacks: what the mode follows from. */
const IN_MODE = 0x6000;

const descriptor = new Descriptor();
const cache: SegmentCache = { selector: 0, base: 0, limit: 0, attributes: 0 };

/** Fill a segment register; nothing is checked. The mode follows CS and SS. */
export function setSegment(core: Core, index: number, segment: SegmentCache): void {
  const at = FIRST + index * BYTES;
  // Transfers within a privilege level load what is there already.
  if (
    core.get(at + SELECTOR) === segment.selector &&
    core.get(at + ATTRIBUTES) === segment.attributes &&
    core.get(at + LIMIT) === segment.limit &&
    core.address(at) === segment.base
  )
    return;
  const changed = core.get(at + ATTRIBUTES) ^ segment.attributes;
  core.set(at + SELECTOR, segment.selector);
  core.setAddress(at, segment.base);
  core.set(at + LIMIT, segment.limit);
  core.set(at + ATTRIBUTES, segment.attributes);
  refreshAccessLimits(core, index);
  if (changed & IN_MODE && (index === CODE || index === STACK)) core.modeChanged();
  if (index === CODE) core.codeSegmentChanged();
}

/** Recompute up to where a segment can be accessed without {@link segmentViolation}. */
function refreshAccessLimits(core: Core, index: number): void {
  const attributes = core.get(segmentField(index, SEGMENT_ATTRIBUTES));
  const limit = core.get(segmentField(index, SEGMENT_LIMIT));
  let readLimit = -1;
  let writeLimit = -1;
  if (attributes & ATTRIBUTE_PRESENT && !(attributes & ATTRIBUTE_UNUSABLE)) {
    const isCode = (attributes & ATTRIBUTE_CODE) !== 0;
    if (!(core.get(CR0) & CR0_PE)) readLimit = writeLimit = limit;
    else if (isCode) {
      if (attributes & ATTRIBUTE_WRITABLE) readLimit = limit;
    } else if (!(attributes & ATTRIBUTE_EXPAND_DOWN)) {
      readLimit = limit;
      if (attributes & ATTRIBUTE_WRITABLE) writeLimit = limit;
    }
  }
  core.setAddress(segmentField(index, SEGMENT_READ_LIMIT), readLimit);
  core.setAddress(segmentField(index, SEGMENT_WRITE_LIMIT), writeLimit);
}

/** CR0.PE changed: the rights of a segment count in protected mode only. */
export function protectionChanged(core: Core): void {
  for (let index = 0; index <= GS; index++) refreshAccessLimits(core, index);
}

/**
 * The exact limit and rights check of an access (Intel SDM vol. 3, 5.3) that
 * the quick comparison could not allow.
 *
 * @param segment state offset of the segment register; ADDRESS holds the offset in it
 * @param kind number of bytes, or-ed with WRITES
 * @returns 0: the access is allowed; raises #SS(0) or #GP(0) otherwise
 */
export function segmentViolation(core: Core, segment: number, kind: number): number {
  const index = (segment - SEGMENTS) / (segmentField(1, 0) - SEGMENTS);
  const offset = core.address(ADDRESS);
  if (!isAllowed(core, index, offset, kind & (WRITES - 1), (kind & WRITES) !== 0))
    core.raiseWithCode(index === SS ? 12 : 13, 0);
  return 0;
}

/** @param offset unsigned, not sign-extended */
function isAllowed(
  core: Core,
  index: number,
  offset: number,
  bytes: number,
  writes: boolean,
): boolean {
  const attributes = core.get(segmentField(index, SEGMENT_ATTRIBUTES));
  const limit = core.get(segmentField(index, SEGMENT_LIMIT));
  if (core.get(CR0) & CR0_PE) {
    if (attributes & ATTRIBUTE_UNUSABLE) return false;
    const isCode = (attributes & ATTRIBUTE_CODE) !== 0;
    const writable = !isCode && (attributes & ATTRIBUTE_WRITABLE) !== 0;
    const readable = !isCode || (attributes & ATTRIBUTE_WRITABLE) !== 0;
    if (writes ? !writable : !readable) return false;
  }
  return isInside(attributes, limit, offset, bytes);
}

/** Whether bytes at an offset lie within a segment's limit (Intel SDM vol. 3, 5.3). */
export function isInside(
  attributes: number,
  limit: number,
  offset: number,
  bytes: number,
): boolean {
  const last = offset + bytes - 1;
  if ((attributes & (ATTRIBUTE_CODE | ATTRIBUTE_EXPAND_DOWN)) === ATTRIBUTE_EXPAND_DOWN)
    return offset > limit && last <= (attributes & ATTRIBUTE_BIG ? 0xffff_ffff : 0xffff);
  // An access that wraps around in a segment of 4 GiB does not fault.
  return last <= limit || (limit === 0xffff_ffff && offset <= limit);
}

/** Linear address of bytes in a segment after the checks, for instructions written in TypeScript. */
export function segmentLinear(
  core: Core,
  index: number,
  offset: number,
  bytes: number,
  writes: boolean,
): number {
  const base = core.address(segmentField(index, SEGMENT_BASE));
  if (core.is64) return index < 4 ? offset : base + offset;
  if (!isAllowed(core, index, offset, bytes, writes)) core.raiseWithCode(index === SS ? 12 : 13, 0);
  return (base + offset) >>> 0;
}

/** Change the privilege level; the mode and the TLB set follow. */
export function setCpl(core: Core, cpl: number): void {
  if (core.get(CPL) === cpl) return;
  core.set(CPL, cpl);
  core.modeChanged();
}

/** Fill a segment register from a descriptor of the GDT or LDT. */
export function setFromDescriptor(
  core: Core,
  index: number,
  selector: number,
  from: Descriptor,
): void {
  cache.selector = selector;
  cache.base = from.base;
  cache.limit = from.limit;
  cache.attributes = from.attributes;
  setSegment(core, index, cache);
}

/** Fill a data segment register with a null selector: unusable. */
export function setNull(core: Core, index: number, selector: number): void {
  cache.selector = selector;
  cache.base = 0;
  cache.limit = 0;
  // DPL of an unusable SS is still the privilege level, and its B bit counts nowhere.
  cache.attributes = ATTRIBUTE_UNUSABLE | (index === SS ? (selector & 3) << 5 : 0);
  setSegment(core, index, cache);
}

/** Make the selector null and the segment unusable; its base stays. */
export function makeUnusable(core: Core, index: number): void {
  core.set(segmentField(index, SEGMENT_SELECTOR), 0);
  core.set(segmentField(index, SEGMENT_ATTRIBUTES), ATTRIBUTE_UNUSABLE);
  refreshAccessLimits(core, index);
}

/** Load a segment register as real mode does: only selector and base change. */
export function setRealMode(core: Core, index: number, selector: number): void {
  const attributes = core.get(segmentField(index, SEGMENT_ATTRIBUTES));
  const unusable = (attributes & ATTRIBUTE_UNUSABLE) !== 0;
  cache.selector = selector;
  cache.base = selector * 16;
  cache.limit = unusable ? REAL_MODE_LIMIT : core.get(segmentField(index, SEGMENT_LIMIT));
  cache.attributes = unusable ? REAL_MODE_ATTRIBUTES : attributes;
  setSegment(core, index, cache);
}

/** Load a segment register as virtual-8086 mode does. */
export function setVirtual8086(core: Core, index: number, selector: number): void {
  cache.selector = selector;
  cache.base = selector * 16;
  cache.limit = REAL_MODE_LIMIT;
  cache.attributes = VIRTUAL_8086_ATTRIBUTES;
  setSegment(core, index, cache);
}

/**
 * MOV and POP to ES, SS, DS, FS, GS, and the like (Intel SDM vol. 2, MOV):
 * raises #GP, #SS or #NP with the selector.
 */
export function loadSegment(core: Core, index: number, selector: number): void {
  if (core.isVirtual8086) setVirtual8086(core, index, selector);
  else if (!core.isProtected) setRealMode(core, index, selector);
  else if (index === SS) loadStackSegment(core, selector);
  else loadDataSegment(core, index, selector);
}

function loadStackSegment(core: Core, selector: number): void {
  const cpl = core.cpl;
  if (isNullSelector(selector)) {
    if (!(core.get(MODE) & MODE_CODE_64) || cpl === 3 || (selector & 3) !== cpl)
      core.generalProtection();
    setNull(core, SS, selector);
    return;
  }
  const code = selector & 0xfffc;
  if (!descriptor.read(core, selector)) core.generalProtection(code);
  if ((selector & 3) !== cpl || !descriptor.isWritable || descriptor.privilege !== cpl)
    core.generalProtection(code);
  if (!descriptor.isPresent) core.raiseWithCode(12, code);
  descriptor.markAccessed(core);
  setFromDescriptor(core, SS, selector, descriptor);
}

function loadDataSegment(core: Core, index: number, selector: number): void {
  if (isNullSelector(selector)) {
    setNull(core, index, selector);
    return;
  }
  const code = selector & 0xfffc;
  if (!descriptor.read(core, selector) || !descriptor.isReadable) core.generalProtection(code);
  const { privilege } = descriptor;
  if (!descriptor.isConforming && ((selector & 3) > privilege || core.cpl > privilege))
    core.generalProtection(code);
  if (!descriptor.isPresent) core.raiseWithCode(11, code);
  descriptor.markAccessed(core);
  setFromDescriptor(core, index, selector, descriptor);
}

/** LLDT. A null selector makes the LDT unusable. */
export function loadLdt(core: Core, selector: number): void {
  if (isNullSelector(selector)) {
    setNull(core, LDTR, selector);
    return;
  }
  const code = selector & 0xfffc;
  if (selector & 4 || !descriptor.readSystem(core, selector)) core.generalProtection(code);
  if (!descriptor.isSystem || descriptor.type !== TYPE_LDT) core.generalProtection(code);
  if (!descriptor.isPresent) core.raiseWithCode(11, code);
  checkSystemBase(core, code);
  setSystemSegment(core, LDTR, selector);
}

/** LTR: load the task register and mark its TSS busy. */
export function loadTaskRegister(core: Core, selector: number): void {
  if (isNullSelector(selector)) core.generalProtection();
  const code = selector & 0xfffc;
  if (selector & 4 || !descriptor.readSystem(core, selector)) core.generalProtection(code);
  const { type } = descriptor;
  if (!descriptor.isSystem || !(type === TYPE_TSS_32 || (type === TYPE_TSS_16 && !core.isLong)))
    core.generalProtection(code);
  if (!descriptor.isPresent) core.raiseWithCode(11, code);
  checkSystemBase(core, code);
  descriptor.markBusy(core, true);
  setSystemSegment(core, TR, selector);
}

/** In IA-32e mode the 64-bit base must be canonical. */
function checkSystemBase(core: Core, code: number): void {
  if (core.isLong && !isCanonical(descriptor.base64)) core.generalProtection(code);
}

function setSystemSegment(core: Core, index: number, selector: number): void {
  cache.selector = selector;
  cache.base = core.isLong ? descriptor.base64 : descriptor.base;
  cache.limit = descriptor.limit;
  cache.attributes = descriptor.attributes;
  setSegment(core, index, cache);
}

import { EXECUTE, type MapRegion, READ, WRITE } from "../vcpu.ts";
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  EFLAGS_AC,
} from "./control-bits.ts";
import type { Core } from "./core.ts";
import {
  CODE_MAP,
  CR0,
  CR2,
  CR3,
  CR4,
  EFER,
  EFLAGS,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_READ_TAG,
  TLB_SET_BYTES,
  TLB_SETS,
  TLB_WRITE_TAG,
} from "./state.ts";

/** What a translation is for. */
export type Access = "read" | "write" | "fetch";

/** TLB sets, by who accesses. */
export const SUPERVISOR = 0;
export const USER = 1;
/** Supervisor that may not touch user pages: SMAP with EFLAGS.AC clear, or an implicit access. */
export const SUPERVISOR_SMAP = 2;

/** Physical address bits that CPUID reports; higher bits of an entry are reserved. */
export const PHYSICAL_ADDRESS_BITS = 40;

const PRESENT = 1;
const WRITABLE = 2;
const USER_PAGE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;

/** Result of the last successful {@link walk}; valid until the next. */
const walked = { physical: 0, writable: false };

/** The TLB set of ordinary accesses at the present privilege. */
export function currentSet(core: Core): number {
  if (core.cpl === 3) return USER;
  return core.get(CR4) & CR4_SMAP && !(core.get(EFLAGS) & EFLAGS_AC) ? SUPERVISOR_SMAP : SUPERVISOR;
}

/** The TLB set of implicit supervisor accesses: descriptor tables, TSS, interrupt stacks. */
export function implicitSet(core: Core): number {
  return core.get(CR4) & CR4_SMAP ? SUPERVISOR_SMAP : SUPERVISOR;
}

function pageFault(core: Core, linear: number, code: number): never {
  core.setAddress(CR2, linear);
  return core.raiseWithCode(14, code);
}

/** A 32-bit word of guest-physical memory; absolute address in linear memory, or -1. */
function hostOf(core: Core, physical: number): number {
  const region = core.map.find(physical);
  return region === undefined
    ? -1
    : core.memory.ramOffset + region.host + (physical - region.guest);
}

/** Paging-structure entries outside RAM read as not present. */
function entryLow(core: Core, host: number): number {
  return host < 0 ? 0 : core.linearView.getUint32(host, true);
}

function setEntryBits(core: Core, physical: number, host: number, low: number, bits: number): void {
  if ((low & bits) === bits) return;
  const region = core.map.find(physical) as MapRegion;
  if (!(region.rights & WRITE)) return;
  writeNotice(core, host, 4);
  core.linearView.setUint32(host, low | bits, true);
}

/** Tell whoever caches decoded code if a write touches bytes that were decoded. */
export function writeNotice(core: Core, host: number, size: number): void {
  const address = host - core.memory.ramOffset;
  const last = address + size - 1;
  for (let granule = Math.floor(address / 64); granule <= Math.floor(last / 64); granule++) {
    const word = core.linearView.getUint32(
      CODE_MAP + Math.floor(granule / 64) * 8 + ((granule & 32) >> 3),
      true,
    );
    if ((word >>> (granule & 31)) & 1) {
      core.codeWritten(address, size);
      return;
    }
  }
}

/**
 * Translate a linear address by the paging structures (Intel SDM vol. 3,
 * chapter 4), check rights, set accessed and dirty bits. Raises #PF.
 *
 * @param linear canonical; the result is in `walked`
 */
function walk(core: Core, linear: number, access: Access, set: number): void {
  const cr0 = core.get(CR0);
  if (!(cr0 & CR0_PG)) {
    walked.physical = linear;
    walked.writable = true;
    return;
  }
  const cr4 = core.get(CR4);
  const nxe = (core.get(EFER) & EFER_NXE) !== 0;
  const user = set === USER;
  const write = access === "write";
  const fetch = access === "fetch";
  const faultCode = (write ? 2 : 0) | (user ? 4 : 0) | (fetch && (nxe || cr4 & CR4_SMEP) ? 16 : 0);
  let rights = WRITABLE | USER_PAGE;
  let noExecute = false;
  let entryPhysical = 0;
  let entryHost = 0;
  let low = 0;
  let physical = 0;
  // Accessed bits of upper levels are set when the walk has succeeded.
  const upper = UPPER;
  const upperHosts = UPPER_HOSTS;
  let upperCount = 0;

  if (!(cr4 & CR4_PAE)) {
    const directory = core.get(CR3) & 0xffff_f000;
    entryPhysical = (directory >>> 0) + (linear >>> 22) * 4;
    entryHost = hostOf(core, entryPhysical);
    low = entryLow(core, entryHost);
    if (!(low & PRESENT)) pageFault(core, linear, faultCode);
    rights &= low;
    if (low & LARGE && cr4 & CR4_PSE) {
      if (low & 0x20_0000) pageFault(core, linear, faultCode | 9);
      physical =
        ((low >>> 13) & 0xff) * 4294967296 + ((low & 0xffc0_0000) >>> 0) + (linear & 0x3f_ffff);
    } else {
      upper[upperCount] = entryPhysical;
      upperHosts[upperCount++] = entryHost;
      entryPhysical = ((low & 0xffff_f000) >>> 0) + ((linear >>> 12) & 0x3ff) * 4;
      entryHost = hostOf(core, entryPhysical);
      low = entryLow(core, entryHost);
      if (!(low & PRESENT)) pageFault(core, linear, faultCode);
      rights &= low;
      physical = ((low & 0xffff_f000) >>> 0) + (linear & 0xfff);
    }
  } else {
    const long = core.isLong;
    // Index bits above the page offset: 9 a level, 2 at the top of the 3-level form.
    let level = long ? 4 : 3;
    let table = long
      ? (core.get(CR3 + 4) & 0xff) * 4294967296 + ((core.get(CR3) & 0xffff_f000) >>> 0)
      : (core.get(CR3) & 0xffff_ffe0) >>> 0;
    const page = Math.floor(linear / 4096);
    for (;;) {
      const index =
        level === 4
          ? Math.floor(page / 2 ** 27) & 0x1ff
          : level === 3
            ? long
              ? Math.floor(page / 2 ** 18) & 0x1ff
              : Math.floor(page / 2 ** 18) & 3
            : level === 2
              ? (page >> 9) & 0x1ff
              : page & 0x1ff;
      entryPhysical = table + index * 8;
      entryHost = hostOf(core, entryPhysical);
      low = entryLow(core, entryHost);
      if (!(low & PRESENT)) pageFault(core, linear, faultCode);
      const high = core.linearView.getUint32(entryHost + 4, true);
      const legacyTop = level === 3 && !long;
      let reserved =
        (high & 0x000f_ffff) >>> (PHYSICAL_ADDRESS_BITS - 32) !== 0 || (high & 0x8000_0000 && !nxe);
      if (legacyTop)
        reserved ||= (low & 0x1e6) !== 0 || high >>> (PHYSICAL_ADDRESS_BITS - 32) !== 0;
      else {
        if (!long && high & 0x7ff0_0000) reserved = true;
        if (level === 4 && low & LARGE) reserved = true;
        rights &= low;
        if (high & 0x8000_0000) noExecute = true;
      }
      const large = !legacyTop && level > 1 && level < 4 && (low & LARGE) !== 0;
      if (large && low & (level === 3 ? 0x3fff_e000 : 0x1f_e000)) reserved = true;
      if (reserved) pageFault(core, linear, faultCode | 9);
      const next = (high & 0xff) * 4294967296 + ((low & 0xffff_f000) >>> 0);
      if (level === 1 || large) {
        const size = level === 1 ? 0x1000 : level === 2 ? 0x20_0000 : 0x4000_0000;
        physical = Math.floor(next / size) * size + (linear & (size - 1));
        break;
      }
      if (!legacyTop) {
        upper[upperCount] = entryPhysical;
        upperHosts[upperCount++] = entryHost;
      }
      table = next;
      level--;
    }
  }

  const isUserPage = (rights & USER_PAGE) !== 0;
  const isWritable = (rights & WRITABLE) !== 0;
  const forbidden =
    (fetch && noExecute) ||
    (user
      ? !isUserPage || (write && !isWritable)
      : (write && !isWritable && (cr0 & CR0_WP) !== 0) ||
        (isUserPage && (fetch ? (cr4 & CR4_SMEP) !== 0 : set === SUPERVISOR_SMAP)));
  if (forbidden) pageFault(core, linear, faultCode | 1);

  for (let k = 0; k < upperCount; k++) {
    const host = upperHosts[k] as number;
    setEntryBits(core, upper[k] as number, host, core.linearView.getUint32(host, true), ACCESSED);
  }
  setEntryBits(
    core,
    entryPhysical,
    entryHost,
    core.linearView.getUint32(entryHost, true),
    write ? ACCESSED | DIRTY : ACCESSED,
  );
  const dirty = write || (low & DIRTY) !== 0;
  walked.physical = physical;
  walked.writable = dirty && (isWritable || (!user && !(cr0 & CR0_WP)));
}
const UPPER = new Float64Array(4);
const UPPER_HOSTS = new Float64Array(4);

/** Guest-physical address of the last {@link translate} that gave -1. */
export const moderated = { physical: 0 };

function tlbEntry(linear: number, set: number): number {
  return (
    (TLB_SETS + set * TLB_SET_BYTES + (((linear >>> 0) >>> 7) & ((TLB_ENTRIES - 1) << 5))) >> 2
  );
}

function tagMatches(core: Core, word: number, linear: number): boolean {
  return (
    // Bit 0 of a write tag: the page holds code as well (see slow_access).
    ((core.u32[word] as number) & ~1) >>> 0 === (linear & 0xffff_f000) >>> 0 &&
    core.i32[word + 1] === Math.floor(linear / 4294967296)
  );
}

/**
 * Byte in linear memory that a linear address names, filling the TLB; -1 if
 * the access is the moderator's to decide (then see {@link moderated}).
 * Raises #PF. Canonicality, segments and page crossing are the caller's.
 */
export function translate(core: Core, linear: number, access: Access, set: number): number {
  const entry = tlbEntry(linear, set);
  if (access !== "fetch") {
    const tag = entry + ((access === "write" ? TLB_WRITE_TAG : TLB_READ_TAG) >> 2);
    if (tagMatches(core, tag, linear))
      return (linear + (core.i32[entry + (TLB_ADDEND >> 2)] as number)) >>> 0;
  }
  walk(core, linear, access, set);
  const physical = walked.physical;
  const region = core.map.find(physical);
  const wanted = access === "fetch" ? EXECUTE : access === "write" ? WRITE : READ;
  if (region === undefined || !(region.rights & wanted)) {
    moderated.physical = physical;
    return -1;
  }
  const host = core.memory.ramOffset + region.host + (physical - region.guest);
  if (access !== "fetch" && !core.watching) fill(core, entry, linear, host, region.rights);
  return host;
}

function fill(core: Core, entry: number, linear: number, host: number, rights: number): void {
  const { u32, i32 } = core;
  const low = (linear & 0xffff_f000) >>> 0;
  const high = Math.floor(linear / 4294967296);
  const read = entry + (TLB_READ_TAG >> 2);
  const write = entry + (TLB_WRITE_TAG >> 2);
  if (rights & READ) {
    u32[read] = low;
    i32[read + 1] = high;
  } else i32[read] = i32[read + 1] = -1;
  const page = Math.floor((host - core.memory.ramOffset) / 4096);
  const codeFree =
    core.linearView.getUint32(CODE_MAP + page * 8, true) === 0 &&
    core.linearView.getUint32(CODE_MAP + page * 8 + 4, true) === 0;
  if (walked.writable && rights & WRITE) {
    u32[write] = codeFree ? low : low | 1;
    i32[write + 1] = high;
  } else i32[write] = i32[write + 1] = -1;
  i32[entry + (TLB_ADDEND >> 2)] = (host - (linear >>> 0)) | 0;
}

/** INVLPG: forget one page in every set. */
export function invalidatePage(core: Core, linear: number): void {
  for (let set = 0; set < 3; set++) {
    const entry = tlbEntry(linear, set);
    for (const tag of [TLB_READ_TAG >> 2, TLB_WRITE_TAG >> 2])
      if (tagMatches(core, entry + tag, linear))
        core.i32[entry + tag] = core.i32[entry + tag + 1] = -1;
  }
  core.flushJumpCache();
}

/** A page of RAM now holds decoded code: stores to it must be seen. */
export function watchWrites(core: Core, hostPage: number): void {
  const start = core.memory.ramOffset + hostPage * 4096;
  for (let set = 0; set < 3; set++)
    for (let k = 0; k < TLB_ENTRIES; k++) {
      const entry = (TLB_SETS + set * TLB_SET_BYTES + k * 32) >> 2;
      const tag = entry + (TLB_WRITE_TAG >> 2);
      if (core.i32[tag] === -1 && core.i32[tag + 1] === -1) continue;
      const host =
        ((core.u32[tag] as number) + (core.i32[entry + (TLB_ADDEND >> 2)] as number)) >>> 0;
      if (host === start) core.u32[tag] = (core.u32[tag] as number) | 1;
    }
}

import { EXECUTE, type MapRegion, READ, WRITE } from "../vcpu.ts";
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PSE, CR4_SMEP, EFER_NXE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { CODE_MAP, CR0, CR2, CR3, CR4, EFER, ERROR_CODE, VECTOR } from "./state.ts";
import { SUPERVISOR_SMAP, USER } from "./tlb.ts";

/** What a translation is for. */
export type Access = "read" | "write" | "fetch";

/** Physical address bits that CPUID reports; higher bits of an entry are reserved. */
export const PHYSICAL_ADDRESS_BITS = 40;

/** V8 folds no imported constants, nor exported ones: walks have their own. */
const PAGING = CR0_PG;
const WRITE_PROTECT = CR0_WP;
const LONG_ENTRIES = CR4_PAE;
const LARGE_PAGES = CR4_PSE;
const NO_USER_CODE = CR4_SMEP;
const NO_EXECUTE = EFER_NXE;
const NO_USER_DATA = SUPERVISOR_SMAP;
const USER_SET = USER;
const CR0_AT = CR0;
const CR3_AT = CR3;
const CR4_AT = CR4;
const EFER_AT = EFER;
const MAP_OF_CODE = CODE_MAP;
const EXECUTABLE = EXECUTE;
const READABLE = READ;
const WRITES = WRITE;
const ADDRESS_BITS_ABOVE_32 = PHYSICAL_ADDRESS_BITS - 32;

const FAULT_VECTOR = VECTOR;
const FAULT_CODE = ERROR_CODE;
const PAGE_FAULT = 14;

const PRESENT = 1;
const WRITABLE = 2;
const USER_PAGE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;

/** Result of the last successful {@link walk}; valid until the next. */
const walked = { physical: 0, writable: false, pageBytes: 4096 };

/** Note a #PF. @returns false: it is not raised yet */
function pageFault(core: Core, linear: number, code: number): false {
  core.setAddress(CR2, linear);
  core.set(FAULT_VECTOR, PAGE_FAULT);
  core.set(FAULT_CODE, code);
  return false;
}

/** The region that {@link hostOf} found last: paging structures and pages mostly lie in one. */
let region: MapRegion | undefined;

/** Byte in linear memory of guest-physical memory, or -1; the {@link region} is that of the address. */
function hostOf(core: Core, physical: number): number {
  const last = region;
  if (last === undefined || physical < last.guest || physical - last.guest >= last.size) {
    region = core.map.find(physical);
    if (region === undefined) return -1;
    core.regions.add(region);
  }
  const { guest, host } = region as MapRegion;
  return core.memory.ramOffset + host + (physical - guest);
}

/** Paging-structure entries outside RAM read as not present. */
function entryLow(core: Core, host: number): number {
  return host < 0 ? 0 : core.linearView.getUint32(host, true);
}

function setEntryBits(core: Core, physical: number, host: number, bits: number): void {
  const low = core.linearView.getUint32(host, true);
  if ((low & bits) === bits) return;
  if (!((core.map.find(physical) as MapRegion).rights & WRITES)) return;
  writeNotice(core, host, 4);
  core.linearView.setUint32(host, low | bits, true);
}

/** Tell whoever caches decoded code if a write touches bytes that were decoded. */
export function writeNotice(core: Core, host: number, size: number): void {
  const address = host - core.memory.ramOffset;
  const last = address + size - 1;
  for (let granule = Math.floor(address / 64); granule <= Math.floor(last / 64); granule++) {
    const word = core.linearView.getUint32(
      MAP_OF_CODE + Math.floor(granule / 64) * 8 + ((granule & 32) >> 3),
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
 * chapter 4), check rights, set accessed and dirty bits. False: there is a #PF, in VECTOR and ERROR_CODE.
 *
 * @param linear canonical; the result is in `walked`
 */
function walk(core: Core, linear: number, access: Access, set: number): boolean {
  const cr0 = core.get(CR0_AT);
  if (!(cr0 & PAGING)) {
    walked.physical = linear;
    walked.writable = true;
    walked.pageBytes = 4096;
    return true;
  }
  const cr4 = core.get(CR4_AT);
  const nxe = (core.get(EFER_AT) & NO_EXECUTE) !== 0;
  const user = set === USER_SET;
  const write = access === "write";
  const fetch = access === "fetch";
  const faultCode =
    (write ? 2 : 0) | (user ? 4 : 0) | (fetch && (nxe || cr4 & NO_USER_CODE) ? 16 : 0);
  let rights = WRITABLE | USER_PAGE;
  let noExecute = false;
  let entryPhysical = 0;
  let entryHost = 0;
  let low = 0;
  let physical = 0;
  let pageBytes = 4096;
  // Accessed bits of upper levels are set when the walk has succeeded.
  const upper = UPPER;
  const upperHosts = UPPER_HOSTS;
  let upperCount = 0;

  if (!(cr4 & LONG_ENTRIES)) {
    const directory = core.get(CR3_AT) & 0xffff_f000;
    entryPhysical = (directory >>> 0) + (linear >>> 22) * 4;
    entryHost = hostOf(core, entryPhysical);
    low = entryLow(core, entryHost);
    if (!(low & PRESENT)) return pageFault(core, linear, faultCode);
    rights &= low;
    if (low & LARGE && cr4 & LARGE_PAGES) {
      if (low & 0x20_0000) return pageFault(core, linear, faultCode | 9);
      pageBytes = 0x40_0000;
      physical =
        ((low >>> 13) & 0xff) * 4294967296 + ((low & 0xffc0_0000) >>> 0) + (linear & 0x3f_ffff);
    } else {
      upper[upperCount] = entryPhysical;
      upperHosts[upperCount++] = entryHost;
      entryPhysical = ((low & 0xffff_f000) >>> 0) + ((linear >>> 12) & 0x3ff) * 4;
      entryHost = hostOf(core, entryPhysical);
      low = entryLow(core, entryHost);
      if (!(low & PRESENT)) return pageFault(core, linear, faultCode);
      rights &= low;
      physical = ((low & 0xffff_f000) >>> 0) + (linear & 0xfff);
    }
  } else {
    const long = core.isLong;
    // Index bits above the page offset: 9 a level, 2 at the top of the 3-level form.
    let level = long ? 4 : 3;
    let table = long
      ? (core.get(CR3_AT + 4) & 0xff) * 4294967296 + ((core.get(CR3_AT) & 0xffff_f000) >>> 0)
      : (core.get(CR3_AT) & 0xffff_ffe0) >>> 0;
    const upperHalf = Math.floor(linear / 4294967296);
    for (;;) {
      const index =
        level === 1
          ? (linear >>> 12) & 0x1ff
          : level === 2
            ? (linear >>> 21) & 0x1ff
            : level === 3
              ? (linear >>> 30) | (long ? (upperHalf << 2) & 0x1fc : 0)
              : (upperHalf >>> 7) & 0x1ff;
      entryPhysical = table + index * 8;
      entryHost = hostOf(core, entryPhysical);
      low = entryLow(core, entryHost);
      if (!(low & PRESENT)) return pageFault(core, linear, faultCode);
      const high = core.linearView.getUint32(entryHost + 4, true);
      const legacyTop = level === 3 && !long;
      let reserved =
        (high & 0x000f_ffff) >>> ADDRESS_BITS_ABOVE_32 !== 0 || (high & 0x8000_0000 && !nxe);
      if (legacyTop) reserved ||= (low & 0x1e6) !== 0 || high >>> ADDRESS_BITS_ABOVE_32 !== 0;
      else {
        if (!long && high & 0x7ff0_0000) reserved = true;
        if (level === 4 && low & LARGE) reserved = true;
        rights &= low;
        if (high & 0x8000_0000) noExecute = true;
      }
      const large = !legacyTop && level > 1 && level < 4 && (low & LARGE) !== 0;
      if (large && low & (level === 3 ? 0x3fff_e000 : 0x1f_e000)) reserved = true;
      if (reserved) return pageFault(core, linear, faultCode | 9);
      const next = (high & 0xff) * 4294967296 + ((low & 0xffff_f000) >>> 0);
      if (level === 1 || large) {
        pageBytes = level === 1 ? 0x1000 : level === 2 ? 0x20_0000 : 0x4000_0000;
        physical = next - (low & (pageBytes - 1) & 0xffff_f000) + (linear & (pageBytes - 1));
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
      : (write && !isWritable && (cr0 & WRITE_PROTECT) !== 0) ||
        (isUserPage && (fetch ? (cr4 & NO_USER_CODE) !== 0 : set === NO_USER_DATA)));
  if (forbidden) return pageFault(core, linear, faultCode | 1);

  for (let k = 0; k < upperCount; k++) {
    setEntryBits(core, upper[k] as number, upperHosts[k] as number, ACCESSED);
  }
  setEntryBits(core, entryPhysical, entryHost, write ? ACCESSED | DIRTY : ACCESSED);
  const dirty = write || (low & DIRTY) !== 0;
  walked.physical = physical;
  walked.pageBytes = pageBytes;
  walked.writable = dirty && (isWritable || (!user && !(cr0 & WRITE_PROTECT)));
  return true;
}
const UPPER = new Float64Array(4);
const UPPER_HOSTS = new Float64Array(4);

/** Guest-physical address of the last {@link translate} that gave -1. */
export const moderated = { physical: 0 };

/**
 * Byte in linear memory that a linear address names, filling the TLB; -1 if
 * the access is the moderator's to decide (then see {@link moderated}).
 * Raises #PF. Canonicality, segments and page crossing are the caller's.
 */
export function translate(core: Core, linear: number, access: Access, set: number): number {
  const host = tryTranslate(core, linear, access, set);
  if (host === FAULTED) return core.raiseWithCode(PAGE_FAULT, core.get(FAULT_CODE));
  return host;
}

/** What {@link tryTranslate} gives where {@link translate} raises: VECTOR and ERROR_CODE tell what. */
export const FAULTED = -2;

/** As {@link translate}, without throwing, which takes as long as hundreds of instructions. */
export function tryTranslate(core: Core, linear: number, access: Access, set: number): number {
  const { tlb } = core;
  const fetch = access === "fetch";
  const write = access === "write";
  const known = fetch
    ? tlb.fetch(linear, set)
    : write
      ? tlb.write(linear, set)
      : tlb.read(linear, set);
  if (known >= 0) return known;
  if (!fetch) {
    moderated.physical = tlb.device(linear, write, set);
    if (moderated.physical >= 0) return -1;
  }
  region = undefined;
  if (!walk(core, linear, access, set)) return FAULTED;
  const { physical, writable, pageBytes } = walked;
  if (pageBytes > 4096) tlb.noteLargePage(linear, pageBytes);
  const host = hostOf(core, physical);
  const rights = region === undefined ? 0 : (region as MapRegion).rights;
  if (!(rights & (fetch ? EXECUTABLE : write ? WRITES : READABLE))) {
    moderated.physical = physical;
    if (!fetch && !core.watching) tlb.fillDevice(linear, write, set, physical);
    return -1;
  }
  if (fetch) tlb.fillFetch(linear, set, host);
  else if (!core.watching)
    tlb.fill(
      linear,
      set,
      host,
      (rights & READABLE) !== 0,
      writable && (rights & WRITES) !== 0,
      holdsCode(core, host),
    );
  return host;
}

/** Whether a page of RAM holds decoded code. @param host a byte of it in linear memory */
export function holdsCode(core: Core, host: number): boolean {
  const map = MAP_OF_CODE + Math.floor((host - core.memory.ramOffset) / 4096) * 8;
  return (
    core.linearView.getUint32(map, true) !== 0 || core.linearView.getUint32(map + 4, true) !== 0
  );
}

/** INVLPG: forget one page, of whatever size, in every set. */
export function invalidatePage(core: Core, linear: number): void {
  if (core.tlb.mayBeLarge(linear)) {
    core.flushTlb();
    return;
  }
  core.windows.forgetPage(linear);
  if (core.tlb.forgetPage(linear)) core.flushJumpCache();
}

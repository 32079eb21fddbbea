import {
  CODE_PAGES,
  CODE_PAGES_BITS,
  LARGE_PAGES,
  LARGE_PAGES_BITS,
  PDE_BYTES,
  PDE_CACHE,
  PDE_COUNT,
  PDE_GENERATION,
  TLB_ADDEND,
  TLB_DEVICE_PAGE,
  TLB_DEVICE_TAG,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GROUP_BYTES,
  TLB_READ_TAG,
  TLB_SET_BYTES,
  TLB_SET_COUNT,
  TLB_SETS,
  TLB_USED,
  TLB_USED_BYTES,
  TLB_WRITE_TAG,
} from "./state.ts";

const WORD = 2;
const ENTRY_WORDS = TLB_ENTRY_BYTES >> WORD;
const FIRST = TLB_SETS >> WORD;
const SET_WORDS = TLB_SET_BYTES >> WORD;
const GROUP_WORDS = TLB_GROUP_BYTES >> WORD;
const USED = TLB_USED >> WORD;
const USED_WORDS = TLB_USED_BYTES >> WORD;
const LARGE = LARGE_PAGES >> WORD;
const LARGE_WORDS = 2 ** (LARGE_PAGES_BITS - 5);
const LARGE_SHIFT = 32 - LARGE_PAGES_BITS;
const CODE = CODE_PAGES >> WORD;
const CODE_WORDS = 2 ** (CODE_PAGES_BITS - 5);
const GENERATION = PDE_GENERATION >> WORD;
export const LAST_GENERATION = 0x1f_ffff;
const DIRECTORY = PDE_CACHE >> WORD;
const DIRECTORY_END = (PDE_CACHE + PDE_COUNT * PDE_BYTES) >> WORD;
const ENTRY_MASK = (TLB_ENTRIES - 1) * ENTRY_WORDS;
const READ_TAG = TLB_READ_TAG >> WORD;
const WRITE_TAG = TLB_WRITE_TAG >> WORD;
const DEVICE_TAG = TLB_DEVICE_TAG >> WORD;
const DEVICE_PAGE = TLB_DEVICE_PAGE >> WORD;
const ADDEND = TLB_ADDEND >> WORD;

/** Sets, by who accesses. */
export const SUPERVISOR = 0;
export const USER = 1;
/** Supervisor that may not touch user pages: SMAP with EFLAGS.AC clear, or an implicit access. */
export const SUPERVISOR_SMAP = 2;

/** Bit 0 of a write tag: the page holds code as well, stores to it must be looked at. */
const HOLDS_CODE = 1;
/** Bits 0 and 1 of a device tag: which accesses the moderator decides. */
export const DEVICE_READ = 1;
export const DEVICE_WRITE = 2;

/** Fetches of so many pages are remembered; a power of two. */
const FETCH_ENTRIES = 256;
/**
 * Larger pages are known by hashes of what they lie in: 4 MiB, or for those of 1 GiB that, with a bit
 * that no number of 4 MiB has. The multiplier is 2^32 by the golden ratio.
 */
export const LARGE_PAGE_SHIFT = 22;
export const GIANT_PAGE_SHIFT = 30;
export const LARGE_PAGE_NUMBERS = 0x3ff_ffff;
export const GIANT_PAGE = 0x400_0000;
export const LARGE_PAGE_HASH = 0x9e37_79b1;

/** V8 folds no exported constants. */
const NUMBERS = LARGE_PAGE_NUMBERS;
const GIANT = GIANT_PAGE;
const HASH = LARGE_PAGE_HASH;
const LARGE_PAGE_BYTES = 2 ** LARGE_PAGE_SHIFT;
const GIANT_PAGE_BYTES = 2 ** GIANT_PAGE_SHIFT;

/**
 * Cached translations of one vCPU (Intel SDM vol. 3, 4.10). Those of data lie in the vCPU's state,
 * where generated code looks them up and fills them in (wasm/page-walk/), as is what is known of
 * them beside it; those of code only TypeScript asks for.
 *
 * Linear addresses are canonical.
 */
export class Tlb {
  readonly #i32: Int32Array;
  readonly #u32: Uint32Array;
  /** Linear page number * 4 + set, and the page's address in linear memory. */
  readonly #fetchTags = new Float64Array(FETCH_ENTRIES).fill(-1);
  readonly #fetchPages = new Float64Array(FETCH_ENTRIES);

  constructor(i32: Int32Array, u32: Uint32Array) {
    this.#i32 = i32;
    this.#u32 = u32;
    // nothing was cleared yet
    i32.fill(-1, USED, USED + USED_WORDS);
    i32[GENERATION] = LAST_GENERATION;
  }

  #use(entry: number): void {
    const group = Math.floor((entry - FIRST) / GROUP_WORDS);
    const word = USED + (group >> 5);
    this.#i32[word] = (this.#i32[word] as number) | (1 << (group & 31));
  }

  #entry(linear: number, set: number): number {
    return FIRST + set * SET_WORDS + ((linear >>> 9) & ENTRY_MASK);
  }

  /** @param bits low bits of the tag that do not belong to the address */
  #matches(tag: number, linear: number, bits: number): boolean {
    return (
      ((this.#i32[tag] as number) & ~bits) === (linear & 0xffff_f000) &&
      this.#i32[tag + 1] === Math.floor(linear / 4294967296)
    );
  }

  #empty(tag: number): void {
    this.#i32[tag] = this.#i32[tag + 1] = -1;
  }

  #host(entry: number, linear: number): number {
    return (linear + (this.#i32[entry + ADDEND] as number)) >>> 0;
  }

  /** Byte in linear memory of a read that does not cross a page; -1: not known. */
  read(linear: number, set: number): number {
    const entry = this.#entry(linear, set);
    return this.#matches(entry + READ_TAG, linear, 0) ? this.#host(entry, linear) : -1;
  }

  /** Byte in linear memory of a write that does not cross a page; -1: not known. The page may hold code. */
  write(linear: number, set: number): number {
    const entry = this.#entry(linear, set);
    return this.#matches(entry + WRITE_TAG, linear, HOLDS_CODE) ? this.#host(entry, linear) : -1;
  }

  /** As {@link write}, for pages without code only. */
  writeData(linear: number, set: number): number {
    const entry = this.#entry(linear, set);
    return this.#matches(entry + WRITE_TAG, linear, 0) ? this.#host(entry, linear) : -1;
  }

  /** As {@link read}, of an address in signed halves: whole ones are doubles, which V8 allocates. */
  readHalves(low: number, high: number, set: number): number {
    const entry = this.#entry(low, set);
    return this.#i32[entry + READ_TAG] === (low & 0xffff_f000) &&
      this.#i32[entry + READ_TAG + 1] === high
      ? this.#host(entry, low)
      : -1;
  }

  /** As {@link writeData}, of an address in signed halves. */
  writeHalves(low: number, high: number, set: number): number {
    const entry = this.#entry(low, set);
    return this.#i32[entry + WRITE_TAG] === (low & 0xffff_f000) &&
      this.#i32[entry + WRITE_TAG + 1] === high
      ? this.#host(entry, low)
      : -1;
  }

  /** Guest-physical address of an access that is known to be the moderator's; -1: not known. */
  device(linear: number, writes: boolean, set: number): number {
    const entry = this.#entry(linear, set);
    const tag = entry + DEVICE_TAG;
    return (this.#i32[tag] as number) & (writes ? DEVICE_WRITE : DEVICE_READ) &&
      this.#matches(tag, linear, DEVICE_READ | DEVICE_WRITE)
      ? (this.#u32[entry + DEVICE_PAGE] as number) * 4096 + (linear & 0xfff)
      : -1;
  }

  /** Byte in linear memory of code; -1: not known. */
  fetch(linear: number, set: number): number {
    const page = Math.floor(linear / 4096);
    const at = page & (FETCH_ENTRIES - 1);
    return this.#fetchTags[at] === page * 4 + set
      ? (this.#fetchPages[at] as number) + (linear & 0xfff)
      : -1;
  }

  /**
   * Remember where a page of RAM is.
   * @param host byte in linear memory
   * @param holdsCode decoded code: stores must be seen
   */
  fill(
    linear: number,
    set: number,
    host: number,
    readable: boolean,
    writable: boolean,
    holdsCode: boolean,
  ): void {
    const i32 = this.#i32;
    const entry = this.#entry(linear, set);
    this.#use(entry);
    const low = linear & 0xffff_f000;
    const high = Math.floor(linear / 4294967296);
    if (readable) {
      i32[entry + READ_TAG] = low;
      i32[entry + READ_TAG + 1] = high;
    } else this.#empty(entry + READ_TAG);
    if (writable) {
      i32[entry + WRITE_TAG] = holdsCode ? low | HOLDS_CODE : low;
      i32[entry + WRITE_TAG + 1] = high;
    } else this.#empty(entry + WRITE_TAG);
    i32[entry + ADDEND] = (host - (linear >>> 0)) | 0;
  }

  /** Remember that reads, or writes, of a page are the moderator's. */
  fillDevice(linear: number, writes: boolean, set: number, physical: number): void {
    const entry = this.#entry(linear, set);
    const tag = entry + DEVICE_TAG;
    this.#use(entry);
    const known = this.#matches(tag, linear, DEVICE_READ | DEVICE_WRITE)
      ? (this.#i32[tag] as number) & (DEVICE_READ | DEVICE_WRITE)
      : 0;
    this.#i32[tag] = (linear & 0xffff_f000) | known | (writes ? DEVICE_WRITE : DEVICE_READ);
    this.#i32[tag + 1] = Math.floor(linear / 4294967296);
    this.#u32[entry + DEVICE_PAGE] = Math.floor(physical / 4096);
  }

  /** Remember where code is. @param host byte in linear memory */
  fillFetch(linear: number, set: number, host: number): void {
    const page = Math.floor(linear / 4096);
    const at = page & (FETCH_ENTRIES - 1);
    this.#fetchTags[at] = page * 4 + set;
    this.#fetchPages[at] = host - (linear & 0xfff);
    const word = codePageWord(page);
    this.#i32[word] = (this.#i32[word] as number) | (1 << (page & 31));
  }

  /** What is remembered next is part of a page of `bytes`, more than 4096. */
  noteLargePage(linear: number, bytes: number): void {
    const bit = bytes === GIANT_PAGE_BYTES ? giantPageBit(linear) : largePageBit(linear);
    const word = LARGE + (bit >> 5);
    this.#i32[word] = (this.#i32[word] as number) | (1 << (bit & 31));
  }

  /** Whether what is known of this page may be part of a larger one, to be forgotten as a whole. */
  mayBeLarge(linear: number): boolean {
    return this.#notedLarge(largePageBit(linear)) || this.#notedLarge(giantPageBit(linear));
  }

  #notedLarge(bit: number): boolean {
    return (((this.#i32[LARGE + (bit >> 5)] as number) >>> (bit & 31)) & 1) !== 0;
  }

  /** Walks start anew at the top. */
  #forgetDirectory(): void {
    const i32 = this.#i32;
    const generation = i32[GENERATION] as number;
    if (generation === LAST_GENERATION) i32.fill(0, DIRECTORY, DIRECTORY_END);
    i32[GENERATION] = generation === LAST_GENERATION ? 1 : generation + 1;
  }

  /** Whatever else the low bits of the tag tell. */
  #forget(tag: number, low: number, high: number): void {
    if (((this.#i32[tag] as number) & 0xffff_f000) === low && this.#i32[tag + 1] === high)
      this.#empty(tag);
  }

  /** Forget 4 KiB in every set, and all of the page directory. @returns whether code of it may be known by its linear address */
  forgetPage(linear: number): boolean {
    this.#forgetDirectory();
    const low = linear & 0xffff_f000;
    const high = Math.floor(linear / 4294967296);
    for (let set = 0; set < TLB_SET_COUNT; set++) {
      const entry = this.#entry(linear, set);
      this.#forget(entry + READ_TAG, low, high);
      this.#forget(entry + WRITE_TAG, low, high);
      this.#forget(entry + DEVICE_TAG, low, high);
    }
    const page = Math.floor(linear / 4096);
    const at = page & (FETCH_ENTRIES - 1);
    if (Math.floor((this.#fetchTags[at] as number) / 4) === page) this.#fetchTags[at] = -1;
    return (((this.#i32[codePageWord(page)] as number) >>> (page & 31)) & 1) !== 0;
  }

  /** A page of RAM now holds decoded code: stores to it must be seen. @param host its first byte in linear memory */
  watchWrites(host: number): void {
    const i32 = this.#i32;
    for (let group = 0; group < USED_WORDS * 32; group++) {
      if ((((i32[USED + (group >> 5)] as number) >>> (group & 31)) & 1) === 0) continue;
      const start = FIRST + group * GROUP_WORDS;
      for (let entry = start; entry < start + GROUP_WORDS; entry += ENTRY_WORDS) {
        const tag = entry + WRITE_TAG;
        if (i32[tag] === -1 && i32[tag + 1] === -1) continue;
        const page = (i32[tag] as number) & ~HOLDS_CODE;
        if (this.#host(entry, page) === host) i32[tag] = page | HOLDS_CODE;
      }
    }
  }

  flush(): void {
    this.#clearUsed();
    this.#forgetDirectory();
    this.#i32.fill(0, LARGE, LARGE + LARGE_WORDS);
    this.#fetchTags.fill(-1);
    this.#i32.fill(0, CODE, CODE + CODE_WORDS);
  }

  /** A cleared entry is all ones. */
  #clearUsed(): void {
    const i32 = this.#i32;
    for (let word = 0; word < USED_WORDS; word++) {
      let used = i32[USED + word] as number;
      if (used === 0) continue;
      i32[USED + word] = 0;
      for (; used !== 0; used &= used - 1) {
        const group = word * 32 + 31 - Math.clz32(used & -used);
        const start = FIRST + group * GROUP_WORDS;
        for (let k = start; k < start + GROUP_WORDS; k++) i32[k] = -1;
      }
    }
  }
}

function largePageBit(linear: number): number {
  return Math.imul(Math.floor(linear / LARGE_PAGE_BYTES) & NUMBERS, HASH) >>> LARGE_SHIFT;
}

function giantPageBit(linear: number): number {
  return Math.imul((Math.floor(linear / GIANT_PAGE_BYTES) & NUMBERS) | GIANT, HASH) >>> LARGE_SHIFT;
}

/** Where a page's bit is among those of pages with code. */
function codePageWord(page: number): number {
  return CODE + ((page >>> 5) & (CODE_WORDS - 1));
}

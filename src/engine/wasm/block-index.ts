/** A block's words before its header record: what it was decoded from, and its neighbours in two lists. */
export const BLOCK_INFO_BYTES = 20;
/** Host-physical address of its code. */
const START = -1;
/** Mode, bound and size; {@link pack}. */
const TRAITS = -2;
/** Host-physical address of the rest of its only instruction on the next page, or -1. */
const CROSSING = -3;
/** Blocks of equal hash, and blocks that start in the same page; 0: no more. */
const NEXT_OF_HASH = -4;
const NEXT_OF_PAGE = -5;

const MODE_BITS = 14;
const BOUND_BITS = 7;
const KEY_MASK = 2 ** (MODE_BITS + BOUND_BITS) - 1;

const HASH_BITS = 16;

/** What tells blocks with the same start apart: 14 bits of mode, and of how many instructions they were allowed. */
const packKey = (mode: number, bound: number): number => mode | (bound << MODE_BITS);

/**
 * Decoded blocks by host-physical address, mode and bound, and by page. Everything stands in linear
 * memory beside the blocks themselves, which costs a tenth of what objects in maps would. A block is
 * named by the address of its header record.
 */
export class BlockIndex {
  private readonly words: Int32Array;
  private readonly heads = new Int32Array(1 << HASH_BITS);
  /** First block that starts in each page of RAM. */
  private readonly pages: Int32Array;
  /** Blocks whose instruction goes on in a page, by that page. */
  private readonly crossings = new Map<number, Set<number>>();
  /** Blocks that it holds. */
  count = 0;

  /** @param words linear memory */
  constructor(words: Int32Array, ramBytes: number) {
    this.words = words;
    this.pages = new Int32Array(Math.ceil(ramBytes / 4096));
  }

  private hash(start: number, key: number): number {
    return Math.imul(start ^ (key << 12), 0x9e37_79b1) >>> (32 - HASH_BITS);
  }

  /** The block with this key, or 0. */
  find(start: number, mode: number, bound: number): number {
    const { words } = this;
    const key = packKey(mode, bound);
    let record = this.heads[this.hash(start, key)] as number;
    while (record !== 0) {
      const at = record >> 2;
      if (words[at + START] === (start | 0) && ((words[at + TRAITS] as number) & KEY_MASK) === key)
        break;
      record = words[at + NEXT_OF_HASH] as number;
    }
    return record;
  }

  /** @param crossing see {@link crossing} */
  add(
    record: number,
    start: number,
    mode: number,
    bound: number,
    size: number,
    crossing: number,
  ): void {
    const { words } = this;
    const at = record >> 2;
    const key = packKey(mode, bound);
    const hash = this.hash(start, key);
    const page = Math.floor(start / 4096);
    words[at + START] = start;
    words[at + TRAITS] = key | (size << (MODE_BITS + BOUND_BITS));
    words[at + CROSSING] = crossing;
    words[at + NEXT_OF_HASH] = this.heads[hash] as number;
    words[at + NEXT_OF_PAGE] = this.pages[page] as number;
    this.heads[hash] = record;
    this.pages[page] = record;
    this.count++;
    const other = Math.floor(crossing / 4096);
    // the next page may be the same one, mapped twice
    if (crossing < 0 || other === page) return;
    const known = this.crossings.get(other);
    if (known === undefined) this.crossings.set(other, new Set([record]));
    else known.add(record);
  }

  remove(record: number): void {
    const { words } = this;
    const start = this.start(record);
    const hash = this.hash(start, (words[(record >> 2) + TRAITS] as number) & KEY_MASK);
    const page = Math.floor(start / 4096);
    this.heads[hash] = this.without(this.heads[hash] as number, record, NEXT_OF_HASH);
    this.pages[page] = this.without(this.pages[page] as number, record, NEXT_OF_PAGE);
    this.count--;
    const crossing = this.crossing(record);
    if (crossing >= 0) this.crossings.get(Math.floor(crossing / 4096))?.delete(record);
  }

  /** The first of a list from which `record` is taken. */
  private without(first: number, record: number, next: number): number {
    const { words } = this;
    const rest = words[(record >> 2) + next] as number;
    if (first === record) return rest;
    let before = first >> 2;
    while (words[before + next] !== record) before = (words[before + next] as number) >> 2;
    words[before + next] = rest;
    return first;
  }

  /** Host-physical address of a block's code. */
  start(record: number): number {
    return (this.words[(record >> 2) + START] as number) >>> 0;
  }

  /** Bytes of a block's code. */
  size(record: number): number {
    return (this.words[(record >> 2) + TRAITS] as number) >>> (MODE_BITS + BOUND_BITS);
  }

  /** Host-physical address of the rest of a block's only instruction on the next page, or -1. */
  crossing(record: number): number {
    const address = this.words[(record >> 2) + CROSSING] as number;
    return address === -1 ? -1 : address >>> 0;
  }

  /** Every block with code in a page. */
  inPage(page: number): number[] {
    const found = [...(this.crossings.get(page) ?? [])];
    let record = this.pages[page] as number;
    while (record !== 0) {
      found.push(record);
      record = this.words[(record >> 2) + NEXT_OF_PAGE] as number;
    }
    return found;
  }

  clear(): void {
    this.heads.fill(0);
    this.pages.fill(0);
    this.crossings.clear();
    this.count = 0;
  }
}

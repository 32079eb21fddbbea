import { EntryLog } from "./entry-log.ts";
import { JUMP_CACHE, JUMP_CACHE_BYTES, JUMP_CACHE_ENTRIES } from "./state.ts";

const START = JUMP_CACHE >> 2;
const ENTRY_WORDS = 4;

/** Fields of an entry, in bytes: RIP and, behind the mode, the address of the block's header record. */
export const JUMP_CACHE_RIP = 0;
export const JUMP_CACHE_RECORD = 12;

/** Offset in the state of the entry for an instruction pointer with these low 32 bits. */
export function jumpCacheEntry(ripLow: number): number {
  return JUMP_CACHE + ((ripLow ^ (ripLow >>> 12)) & (JUMP_CACHE_ENTRIES - 1)) * 4 * ENTRY_WORDS;
}

/** Stands in the mode of entries for blocks of one instruction; no mode has it. */
const SINGLE = 0x8000;
/** Those have an entry of their own. */
const SINGLE_PLACE = 0x800;

/**
 * Recently entered blocks by RIP, in the vCPU's state, where generated code looks them up. An entry
 * is as good as the translation of the page that RIP lies in.
 */
export class JumpCache {
  readonly #i32: Int32Array;
  readonly #filled = new EntryLog();

  constructor(i32: Int32Array) {
    this.#i32 = i32;
  }

  /** @param record address of the block's header record */
  add(ripLow: number, ripHigh: number, mode: number, record: number): void {
    this.#fill(jumpCacheEntry(ripLow) >> 2, ripLow, ripHigh, mode, record);
  }

  /** As {@link add}, for {@link single}; generated code does not find it. */
  addSingle(ripLow: number, ripHigh: number, mode: number, record: number): void {
    const entry = jumpCacheEntry(ripLow ^ SINGLE_PLACE) >> 2;
    this.#fill(entry, ripLow, ripHigh, mode | SINGLE, record);
  }

  /** The header record of the block of one instruction at an address, or -1. */
  single(ripLow: number, ripHigh: number, mode: number): number {
    const i32 = this.#i32;
    const entry = jumpCacheEntry(ripLow ^ SINGLE_PLACE) >> 2;
    return i32[entry] === (ripLow | 0) &&
      i32[entry + 1] === (ripHigh | 0) &&
      i32[entry + 2] === (mode | SINGLE)
      ? (i32[entry + 3] as number)
      : -1;
  }

  #fill(entry: number, ripLow: number, ripHigh: number, mode: number, record: number): void {
    const i32 = this.#i32;
    this.#filled.add(entry);
    i32[entry] = ripLow;
    i32[entry + 1] = ripHigh;
    i32[entry + 2] = mode;
    i32[entry + 3] = record;
  }

  /** The record that is known for an address, or -1. */
  recordOf(rip: bigint): number {
    const i32 = this.#i32;
    const entry = jumpCacheEntry(Number(BigInt.asIntN(32, rip))) >> 2;
    const known =
      i32[entry] === Number(BigInt.asIntN(32, rip)) &&
      i32[entry + 1] === Number(BigInt.asIntN(32, rip >> 32n));
    return known ? (i32[entry + 3] as number) : -1;
  }

  /** A mode of -1 never matches. */
  flush(): void {
    this.#filled.clear(this.#i32, START, (JUMP_CACHE + JUMP_CACHE_BYTES) >> 2, ENTRY_WORDS);
  }
}

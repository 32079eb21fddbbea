import { EntryLog } from "./entry-log.ts";
import { JUMP_CACHE, JUMP_CACHE_BYTES, JUMP_CACHE_ENTRIES } from "./state.ts";

const START = JUMP_CACHE >> 2;
const ENTRY_WORDS = 4;

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
    const i32 = this.#i32;
    const entry = START + ((ripLow ^ (ripLow >>> 12)) & (JUMP_CACHE_ENTRIES - 1)) * ENTRY_WORDS;
    this.#filled.add(entry);
    i32[entry] = ripLow;
    i32[entry + 1] = ripHigh;
    i32[entry + 2] = mode;
    i32[entry + 3] = record;
  }

  /** A mode of -1 never matches. */
  flush(): void {
    this.#filled.clear(this.#i32, START, (JUMP_CACHE + JUMP_CACHE_BYTES) >> 2, ENTRY_WORDS);
  }
}

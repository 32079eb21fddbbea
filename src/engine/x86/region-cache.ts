import type { MapRegion } from "../vcpu.ts";
import {
  REGION_ADDEND,
  REGION_BYTES,
  REGION_COUNT,
  REGION_GUEST,
  REGION_RIGHTS,
  REGION_SIZE,
  REGIONS,
} from "./state.ts";

const WORD = 2;
const FIRST = REGIONS >> WORD;
const REGION_WORDS = REGION_BYTES >> WORD;
const GUEST = REGION_GUEST >> WORD;
const SIZE = REGION_SIZE >> WORD;
const ADDEND = REGION_ADDEND >> WORD;
const RIGHTS = REGION_RIGHTS >> WORD;
const COUNT = REGION_COUNT;
const HIGH = 4294967296;

/**
 * Regions of the memory map that translations met last, in the vCPU's state, where generated code
 * finds what is at a guest-physical address (wasm/page-walk/). They hold until the map changes.
 */
export class RegionCache {
  readonly #i32: Int32Array;
  readonly #u32: Uint32Array;
  readonly #ramOffset: number;
  #next = 0;

  /** @param ramOffset byte in linear memory of host-physical address 0 */
  constructor(i32: Int32Array, u32: Uint32Array, ramOffset: number) {
    this.#i32 = i32;
    this.#u32 = u32;
    this.#ramOffset = ramOffset;
    this.flush();
  }

  #pair(word: number): number {
    return (this.#u32[word + 1] as number) * HIGH + (this.#u32[word] as number);
  }

  #setPair(word: number, value: number): void {
    this.#i32[word] = value;
    this.#i32[word + 1] = Math.floor(value / HIGH);
  }

  add({ guest, size, host, rights }: MapRegion): void {
    const i32 = this.#i32;
    const addend = (this.#ramOffset + host - (guest % HIGH)) | 0;
    for (let k = 0; k < COUNT; k++) {
      const at = FIRST + k * REGION_WORDS;
      if (i32[at + ADDEND] !== addend || i32[at + RIGHTS] !== rights) continue;
      const known = this.#pair(at + GUEST);
      const end = known + this.#pair(at + SIZE);
      // in it, or going on where it ends
      if (guest < known || guest > end) continue;
      if (guest + size > end) this.#setPair(at + SIZE, guest + size - known);
      return;
    }
    const at = FIRST + this.#next * REGION_WORDS;
    this.#next = (this.#next + 1) % COUNT;
    this.#setPair(at + GUEST, guest);
    this.#setPair(at + SIZE, size);
    i32[at + ADDEND] = addend;
    i32[at + RIGHTS] = rights;
  }

  flush(): void {
    this.#i32.fill(0, FIRST, FIRST + COUNT * REGION_WORDS);
    this.#next = 0;
  }
}

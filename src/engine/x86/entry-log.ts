/** Longer logs are not worth reading: to clear everything costs as little. */
const CAPACITY = 512;

/**
 * Which entries of a cache were filled since it was last cleared, so that clearing one that was
 * hardly used costs hardly anything. A cleared entry is all ones.
 */
export class EntryLog {
  readonly #entries = new Uint32Array(CAPACITY);
  /** Beyond the capacity: any entry may be filled. So it is at first, when nothing was cleared yet. */
  #count = CAPACITY + 1;

  /** @param entry index of its first word */
  add(entry: number): void {
    if (this.#count < CAPACITY) this.#entries[this.#count++] = entry;
    else this.#count = CAPACITY + 1;
  }

  /** Clear the cache, which lies in words `start` to `end`. */
  clear(words: Int32Array, start: number, end: number, entryWords: number): void {
    if (this.#count > CAPACITY) words.fill(-1, start, end);
    else
      for (let k = 0; k < this.#count; k++) {
        const entry = this.#entries[k] as number;
        for (let word = 0; word < entryWords; word++) words[entry + word] = -1;
      }
    this.#count = 0;
  }
}

/** A source of test choices: an integer from 0 to `below` - 1. */
export type Choose = (below: number) => number;

/** Repeatable random numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 bits, unsigned. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 .. limit - 1 */
  below(limit: number): number {
    return this.u32() % limit;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.u32() % times === 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  pick<T>(from: readonly T[]): T {
    return from[this.u32() % from.length] as T;
  }

  /** As a function. */
  readonly choose: Choose = (below) => this.u32() % below;
}

/**
 * Which code is compiled: none, what is hot, or all at once; `random`: each block after a number of
 * entries of its own, so that code passes between the tiers anywhere. Only speed depends on it.
 */
export const JITS = ["off", "on", "always", "random"] as const;
export type Jit = (typeof JITS)[number];

/** What engines have that are not told otherwise; tests choose it by GAOLER_JIT. */
export const usualJit: { mode: Jit } = { mode: "on" };

/** Entries that make a block hot: tier 0 takes about as long for them as compiling it does. */
const HOT_AFTER = 6_000;
/** How much longer tier 0 takes for an instruction on numbers or vectors than for others. */
const COSTLY = 4;
/**
 * A byte of compiled code costs about a microsecond, most of it in the background: a program that does
 * not run for long must not pay for what it does not get back.
 */
const FREE_BYTES = 128 * 1024;
const INSTRUCTIONS_PER_BYTE = 1_000;

/** Bytes of code that may have been emitted after so many instructions. */
export function affordableBytes(instructions: number): number {
  return FREE_BYTES + instructions / INSTRUCTIONS_PER_BYTE;
}

/** Random numbers of entries are below a random power of two, up to that. */
const MAXIMUM_RANDOM_BITS = 10;
const SEED = 0x9e37_79b9;

/** Numbers of entries after which one block after the other is hot; 0: never. */
export class Thresholds {
  private readonly mode: Jit;
  private state = SEED;

  constructor(mode: Jit) {
    this.mode = mode;
  }

  /**
   * @param doublings how often it has turned out that code nearby does not stay as it is
   * @param costly the share of instructions on numbers or vectors
   */
  next(doublings: number, costly = 0): number {
    switch (this.mode) {
      case "off":
        return 0;
      case "on":
        return Math.ceil((HOT_AFTER * 2 ** doublings) / (1 + (COSTLY - 1) * costly));
      case "always":
        return 1;
      case "random": {
        const bits = this.random() % (MAXIMUM_RANDOM_BITS + 1);
        return 1 + (this.random() >>> (32 - bits - 1));
      }
    }
  }

  /** Marsaglia's xorshift: 32 bits, never 0. */
  private random(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }
}

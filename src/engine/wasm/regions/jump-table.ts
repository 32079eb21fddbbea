/** A number for each of some addresses: the upper `bits` of the low 32 bits' product with `multiplier`. */
export interface JumpTable {
  readonly multiplier: number;
  readonly bits: number;
  /** Index of the address by its number, or -1. */
  readonly indices: readonly number[];
}

const MAXIMUM_BITS = 10;
const ATTEMPTS = 64;

/** A table in which no two of the addresses (which differ in their low 32 bits) have the same number. */
export function jumpTable(addresses: readonly bigint[]): JumpTable | undefined {
  const lows = addresses.map((address) => Number(BigInt.asUintN(32, address)));
  for (let bits = Math.ceil(Math.log2(lows.length)); bits <= MAXIMUM_BITS; bits++)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const multiplier = (0x9e37_79b1 + attempt * 0x3c6e_f362) >>> 0;
      const indices = new Array<number>(1 << bits).fill(-1);
      const isTaken = (low: number, index: number): boolean => {
        const number = Math.imul(low, multiplier) >>> (32 - bits);
        if (indices[number] !== -1) return true;
        indices[number] = index;
        return false;
      };
      if (!lows.some(isTaken)) return { multiplier, bits, indices };
    }
  return undefined;
}

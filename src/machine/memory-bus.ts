/** Guest-physical ranges that chips answer, not RAM. */

import type { Width } from "../engine/vcpu.ts";
import type { MemoryDevice, ReadResult } from "./device.ts";

export interface MemoryClaim {
  readonly name: string;
  /** Guest-physical byte address. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly device: MemoryDevice;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

export class MemoryBus {
  /** Sorted by address, disjoint. */
  readonly #claims: MemoryClaim[] = [];
  #last: MemoryClaim | undefined = undefined;

  /** @throws RangeError naming both chips if the ranges overlap, or if the range is empty or beyond 2^52 */
  claim(name: string, address: number, size: number, device: MemoryDevice): void {
    if (!Number.isInteger(address) || address < 0 || size < 1 || address + size > 2 ** 52)
      throw new RangeError(`${name}: ${hex(address)}+${hex(size)} is not a range below 2^52`);
    const index = this.#after(address);
    for (const other of [this.#claims[index - 1], this.#claims[index]])
      if (other && other.address < address + size && address < other.address + other.size)
        throw new RangeError(
          `${name}: ${hex(address)}+${hex(size)} overlaps ${other.name} at ${hex(other.address)}+${hex(other.size)}`,
        );
    this.#claims.splice(index, 0, { name, address, size, device });
  }

  /** Whether a range below 2^52 can be claimed. */
  isFree(address: number, size: number): boolean {
    const index = this.#after(address);
    const [below, above] = [this.#claims[index - 1], this.#claims[index]];
    return !(
      (below && address < below.address + below.size) ||
      (above && above.address < address + size)
    );
  }

  /** Give a range back. @throws RangeError if none starts there */
  release(address: number): void {
    const index = this.#claims.findIndex((claim) => claim.address === address);
    if (index < 0) throw new RangeError(`no memory device starts at ${hex(address)}`);
    this.#claims.splice(index, 1);
    this.#last = undefined;
  }

  /** The range that holds the whole access, or undefined. */
  find(address: number, width: number): MemoryClaim | undefined {
    let claim = this.#last;
    if (claim === undefined || address < claim.address || address >= claim.address + claim.size)
      claim = this.#claims[this.#after(address) - 1];
    if (claim === undefined || address + width > claim.address + claim.size) return undefined;
    this.#last = claim;
    return claim;
  }

  /** @returns false, and all ones in `result`, if no chip answers */
  read(address: number, width: Width, result: ReadResult): boolean {
    const claim = this.find(address, width);
    if (claim === undefined) {
      allOnes(width, result);
      return false;
    }
    result.lo = 0;
    result.hi = 0;
    claim.device.memoryRead(address - claim.address, width, result);
    return true;
  }

  /** @returns false if no chip took it */
  write(address: number, width: Width, lo: number, hi: number): boolean {
    const claim = this.find(address, width);
    if (claim === undefined) return false;
    claim.device.memoryWrite(address - claim.address, width, lo, hi);
    return true;
  }

  /** Index of the first range that starts behind `address`. */
  #after(address: number): number {
    let low = 0;
    let high = this.#claims.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#claims[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What a read returns that nobody answers. */
export function allOnes(width: Width, result: ReadResult): void {
  result.lo = width >= 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
  result.hi = width === 8 ? 0xffffffff : 0;
}

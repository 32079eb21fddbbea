/** More RAM of a bare machine, anywhere in its physical address space. */
import { EXECUTE, type MapRegion, type MemoryMap, READ, WRITE } from "../engine/vcpu.ts";
import { ScenarioError } from "./scenario.ts";

/** Physical addresses [address, address + size). */
export interface RamRange {
  readonly address: number;
  readonly size: number;
}

const PAGE = 4096;
/** Backed at a time. */
const CHUNK = 0x10000;
/** What touched chunks of one machine may sum up to. */
const MOST_BACKED = 512 * 1024 ** 2;
/** As far as the page tables of flat 64-bit code reach: one table of 1-GiB pages. */
export const PHYSICAL_END = 512 * 1024 ** 3;

/** RAM of a machine if nothing is said. */
export const USUAL_RAM_BYTES = 128 * 1024 ** 2;
/** Most RAM in one piece: with all that can back further ranges it still fits below the chips. */
const MOST_CONTIGUOUS = 0xb000_0000 - MOST_BACKED;
/** IOAPIC, local APICs and firmware: up to 4 GiB. */
const APICS = 0xfec0_0000;
const END_OF_APICS = 2 ** 32;

/**
 * RAM of a machine for flat code: so many bytes from address 0; without a number all that there can
 * be, everywhere but where the APICs answer.
 */
export function flatRam(bytes?: number): { ramBytes: number; ranges: readonly RamRange[] } {
  if (bytes === undefined)
    return {
      ramBytes: USUAL_RAM_BYTES,
      ranges: [
        { address: USUAL_RAM_BYTES, size: APICS - USUAL_RAM_BYTES },
        { address: END_OF_APICS, size: PHYSICAL_END - END_OF_APICS },
      ],
    };
  if (bytes <= MOST_CONTIGUOUS) return { ramBytes: bytes, ranges: [] };
  const rest = { address: MOST_CONTIGUOUS, size: bytes - MOST_CONTIGUOUS };
  return { ramBytes: MOST_CONTIGUOUS, ranges: [rest] };
}

const hex = (value: number) => `0x${value.toString(16)}`;

/** Bytes of host memory that back the ranges. @throws RangeError naming a range that cannot be */
export function backingBytes(ranges: readonly RamRange[], ramBytes: number): number {
  let bytes = 0;
  const above: RamRange[] = [{ address: 0, size: ramBytes }];
  for (const range of ranges) {
    const { address, size } = range;
    const what = `RAM of ${hex(size)} bytes at ${hex(address)}`;
    if (address % PAGE !== 0 || size % PAGE !== 0 || size === 0)
      throw new RangeError(`${what}: address and size must be multiples of ${PAGE}`);
    if (address + size > PHYSICAL_END)
      throw new RangeError(`${what} reaches beyond ${hex(PHYSICAL_END - 1)}`);
    for (const other of above)
      if (address < other.address + other.size && other.address < address + size)
        throw new RangeError(
          `${what} overlaps the RAM from ${hex(other.address)} to ${hex(other.address + other.size - 1)}`,
        );
    above.push(range);
    bytes += Math.ceil(size / CHUNK) * CHUNK;
  }
  return Math.min(bytes, MOST_BACKED);
}

/**
 * A machine's RAM from address 0 and its further ranges. These are backed chunk by chunk when first
 * touched, from the part of host memory behind `ramBytes`, so that a range may be larger than that.
 */
export class SparseRam implements MemoryMap {
  readonly #low: MapRegion;
  readonly #ranges: readonly RamRange[];
  readonly #chunks = new Map<number, MapRegion>();
  readonly #hostBytes: number;
  #nextHost: number;

  /** @param hostBytes where host memory ends */
  constructor(ramBytes: number, ranges: readonly RamRange[], hostBytes: number) {
    this.#low = { guest: 0, host: 0, size: ramBytes, rights: READ | WRITE | EXECUTE };
    this.#ranges = ranges;
    this.#hostBytes = hostBytes;
    this.#nextHost = ramBytes;
  }

  /** @throws ScenarioError if more chunks are touched than can be backed */
  find(address: number): MapRegion | undefined {
    if (address < this.#low.size) return this.#low;
    for (const range of this.#ranges)
      if (address >= range.address && address < range.address + range.size) {
        const offset = Math.floor((address - range.address) / CHUNK) * CHUNK;
        const start = range.address + offset;
        return this.#chunks.get(start) ?? this.#back(start, Math.min(CHUNK, range.size - offset));
      }
    return undefined;
  }

  /** Every range is empty again. @returns where host memory ended that was in use */
  clear(): number {
    const end = this.#nextHost;
    this.#chunks.clear();
    this.#nextHost = this.#low.size;
    return end;
  }

  #back(guest: number, size: number): MapRegion {
    const host = this.#nextHost;
    if (host + CHUNK > this.#hostBytes)
      throw new ScenarioError(
        `RAM at ${hex(guest)}: more than ${MOST_BACKED / 1024 ** 2} MiB of the further RAM are in use`,
      );
    this.#nextHost += CHUNK;
    const region = { guest, host, size, rights: READ | WRITE | EXECUTE };
    this.#chunks.set(guest, region);
    return region;
  }
}

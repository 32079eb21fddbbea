/** Memory regions of a configuration as plain numbers, checked to be addresses that a CPU has. */
import type { CellConfig, MemoryFlags, MemoryRegion } from "../config/types.ts";
import { EXECUTE, READ, WRITE } from "../engine/vcpu.ts";
import { hex, type Result, refuse, success } from "./errno.ts";
import { PAGE_SIZE } from "./memory-map.ts";

/** Width of physical addresses, of the machine and of second-level tables with four levels. */
const ADDRESS_LIMIT = 2n ** 48n;

export interface Region {
  /** Position in the configuration. */
  readonly index: number;
  /** Host-physical start, bytes; means nothing for a communication region. */
  readonly physical: number;
  /** Guest-physical start, bytes. */
  readonly virtual: number;
  readonly size: number;
  /** READ, WRITE, EXECUTE as in a memory map. */
  readonly rights: number;
  readonly flags: MemoryFlags;
  /** Moderated access by access, because it does not consist of whole pages. */
  readonly subPage: boolean;
}

/** @returns E2BIG for a region beyond the address width */
export function regionsOf(config: CellConfig): Result<readonly Region[]> {
  const regions: Region[] = [];
  for (const [index, region] of config.memoryRegions.entries()) {
    const { physStart, virtStart, size } = region;
    if (physStart + size > ADDRESS_LIMIT || virtStart + size > ADDRESS_LIMIT)
      return refuse(
        "E2BIG",
        `cell "${config.name}", memory region ${index}: ${hex(physStart)} at ${hex(virtStart)}, size ${hex(size)}, reaches beyond 48 address bits`,
      );
    regions.push(toRegion(region, index));
  }
  return success(regions);
}

function toRegion({ physStart, virtStart, size, flags }: MemoryRegion, index: number): Region {
  const virtual = Number(virtStart);
  const bytes = Number(size);
  return {
    index,
    physical: Number(physStart),
    virtual,
    size: bytes,
    rights: (flags.read ? READ : 0) | (flags.write ? WRITE : 0) | (flags.execute ? EXECUTE : 0),
    flags,
    subPage: virtual % PAGE_SIZE !== 0 || bytes % PAGE_SIZE !== 0,
  };
}

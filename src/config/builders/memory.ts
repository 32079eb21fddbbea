import type { MemoryFlags, MemoryRegion } from "../types.ts";

export type MemoryFlag = Exclude<keyof MemoryFlags, "unknownBits">;

const NO_MEMORY_FLAGS: MemoryFlags = {
  read: false,
  write: false,
  execute: false,
  dma: false,
  io: false,
  commRegion: false,
  loadable: false,
  rootShared: false,
  noHugepages: false,
  ioUnaligned: false,
  io8: false,
  io16: false,
  io32: false,
  io64: false,
  unknownBits: 0n,
};

export function memoryFlags(...names: readonly MemoryFlag[]): MemoryFlags {
  return { ...NO_MEMORY_FLAGS, ...Object.fromEntries(names.map((name) => [name, true])) };
}

/** Where a region lies, in bytes; `virt` (guest-physical) defaults to `phys` (host-physical). */
export interface Placement {
  readonly phys: number | bigint;
  readonly virt?: number | bigint;
  readonly sizeBytes: number | bigint;
}

/** A region with exactly these flags. */
export function region(place: Placement, ...flags: readonly MemoryFlag[]): MemoryRegion {
  return {
    physStart: BigInt(place.phys),
    virtStart: BigInt(place.virt ?? place.phys),
    size: BigInt(place.sizeBytes),
    flags: memoryFlags(...flags),
  };
}

/** RAM of a cell, which the root cell can load an image into; `dma` also for the cell's devices. */
export function ram(place: Placement & { readonly dma?: boolean }): MemoryRegion {
  const dma: MemoryFlag[] = place.dma ? ["dma"] : [];
  return region(place, "read", "write", "execute", "loadable", ...dma);
}

/** RAM of the root cell, at the same address in the cell and in the machine. */
export function rootRam(place: Omit<Placement, "virt">): MemoryRegion {
  return region(place, "read", "write", "execute", "dma");
}

/** Registers of a device. */
export function mmio(place: Placement): MemoryRegion {
  return region(place, "read", "write");
}

/** Memory that is only looked at, such as the firmware's tables. */
export function readOnly(place: Placement): MemoryRegion {
  return region(place, "read");
}

/** Memory that stays in the root cell as well. */
export function rootShared(place: Placement & { readonly writable?: boolean }): MemoryRegion {
  const write: MemoryFlag[] = place.writable === false ? [] : ["write"];
  return region(place, "read", "rootShared", ...write);
}

/** The page through which a cell talks with the hypervisor. */
export function commRegion(place: {
  readonly virt: number | bigint;
  readonly writable?: boolean;
}): MemoryRegion {
  const write: MemoryFlag[] = place.writable === false ? [] : ["write"];
  return region({ phys: 0, virt: place.virt, sizeBytes: 0x1000 }, "read", "commRegion", ...write);
}

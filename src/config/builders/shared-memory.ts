import type { MemoryRegion } from "../types.ts";
import { region } from "./memory.ts";

/** A link through shared memory between the cells that have a device for it (ivshmem version 2). */
export interface SharedMemoryLink {
  /** Host-physical start of the link's memory. */
  readonly base: number;
  /** Bytes that every end may write. */
  readonly commonBytes?: number;
  /** Bytes for each end that only it may write. */
  readonly outputBytes?: number;
  readonly peers: number;
}

/**
 * The memory regions of end `id`, in the order the device wants: one page of states, the part
 * everyone may write, the output part of each end. Parts the link does not have are empty regions.
 * @param stays the regions remain in the root cell (to be said by every cell but the root).
 */
export function sharedMemoryRegions(
  link: SharedMemoryLink,
  id: number,
  stays: boolean,
): MemoryRegion[] {
  const { base, commonBytes = 0, outputBytes = 0, peers } = link;
  let next = base;
  const part = (sizeBytes: number, writable: boolean): MemoryRegion => {
    if (sizeBytes === 0) return region({ phys: 0, sizeBytes: 0 });
    const phys = next;
    next += sizeBytes;
    return region(
      { phys, sizeBytes },
      "read",
      ...(writable ? (["write"] as const) : []),
      ...(stays ? (["rootShared"] as const) : []),
    );
  };
  return [
    part(0x1000, false),
    part(commonBytes, true),
    ...Array.from({ length: peers }, (_, peer) => part(outputBytes, peer === id)),
  ];
}

/** What an end speaks: the codes of revision 12 on. */
export const PROTOCOL_UNDEFINED = 0;
export const PROTOCOL_NETWORK = 1;

/** Virtio over shared memory; the driver's side is the front end. */
export function virtioProtocol(
  side: "front" | "back",
  device: "net" | "block" | "console",
): number {
  const types = { net: 1, block: 2, console: 3 };
  return (side === "front" ? 0x8000 : 0xc000) | types[device];
}

/** The virtual network of revisions up to 10. */
export const PROTOCOL_NETWORK_V1 = 0x0100;

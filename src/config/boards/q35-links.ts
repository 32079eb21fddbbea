/** The shared memory of the q35 board: who can talk to whom, and where it lies. */
import type { PciDeviceOptions } from "../builders/devices.ts";
import { region, rootShared } from "../builders/memory.ts";
import type { SharedMemoryLink } from "../builders/shared-memory.ts";
import {
  PROTOCOL_NETWORK,
  PROTOCOL_NETWORK_V1,
  PROTOCOL_UNDEFINED,
  sharedMemoryRegions,
  virtioProtocol,
} from "../builders/shared-memory.ts";
import { KiB } from "../builders/units.ts";
import type { MemoryRegion, Revision } from "../types.ts";

/** One end of a link: the device of a cell, and the regions that must stand in its memory. */
export interface LinkEnd {
  readonly regions: readonly MemoryRegion[];
  readonly device: PciDeviceOptions;
}

export type LinkName = keyof typeof LINKS;

interface BoardLink extends SharedMemoryLink {
  /** Device and function; the bus depends on the revision. */
  readonly slot: string;
  readonly vectors: number;
  readonly protocol: (id: number) => number;
  /** The root cell's regions carry the root-shared flag as well (which has no effect there). */
  readonly rootSharedInRoot?: boolean;
}

const side = (id: number) => (id === 0 ? "back" : "front");

/** A link of a user's own, beside those of the board. */
export interface OwnLink extends SharedMemoryLink {
  /** Its PCI function in every cell, one that the board leaves free: "01:10.0". */
  readonly at: string;
  /** MSI-X vectors of each end. */
  readonly vectors: number;
  readonly protocol?: (id: number) => number;
}

/** End `id` of a link (0: the root cell's), revision 12 on. */
export function ownLinkEnd(link: OwnLink, id: number): LinkEnd {
  const { at, vectors, peers, protocol = () => PROTOCOL_UNDEFINED } = link;
  const regions = sharedMemoryRegions(link, id, id !== 0);
  const ivshmem = { regions, id, peers, protocol: protocol(id) };
  return { regions, device: { at, numMsixVectors: vectors, ivshmem } };
}

/** Revision 12 on. */
const LINKS = {
  block: {
    slot: "0c.0",
    base: 0x3f00_0000,
    commonBytes: 892 * KiB,
    peers: 2,
    vectors: 2,
    protocol: (id) => virtioProtocol(side(id), "block"),
  },
  console: {
    slot: "0d.0",
    base: 0x3f0e_0000,
    commonBytes: 60 * KiB,
    peers: 2,
    vectors: 3,
    protocol: (id) => virtioProtocol(side(id), "console"),
  },
  demo: {
    slot: "0e.0",
    base: 0x3f0f_0000,
    commonBytes: 36 * KiB,
    outputBytes: 8 * KiB,
    peers: 3,
    vectors: 16,
    protocol: () => PROTOCOL_UNDEFINED,
  },
  network: {
    slot: "0f.0",
    base: 0x3f10_0000,
    outputBytes: 508 * KiB,
    peers: 2,
    vectors: 2,
    protocol: () => PROTOCOL_NETWORK,
    rootSharedInRoot: true,
  },
} satisfies Record<string, BoardLink>;

/** End `id` of a link (0: the root cell's), revision 12 on. */
export function linkEnd(name: LinkName, id: number, revision: Revision): LinkEnd {
  const link: BoardLink = LINKS[name];
  const regions = sharedMemoryRegions(link, id, id !== 0 || link.rootSharedInRoot === true);
  const bus = revision >= 14 ? "01" : "00";
  const device = {
    at: `${bus}:${link.slot}`,
    numMsixVectors: link.vectors,
    ivshmem: { regions, id, peers: link.peers, protocol: link.protocol(id) },
  };
  return { regions, device };
}

/** An end of a link up to revision 10: one region that both sides may write. */
export function linkEndV1(name: "network" | "demo", inRootCell: boolean): LinkEnd {
  const place =
    name === "network"
      ? { phys: 0x3f10_0000, sizeBytes: 1020 * KiB }
      : { phys: 0x3f1f_f000, sizeBytes: 4 * KiB };
  const regions = [inRootCell ? region(place, "read", "write") : rootShared(place)];
  const device =
    name === "network"
      ? { at: "00:0e.0", ivshmem: { regions, protocol: PROTOCOL_NETWORK_V1 } }
      : { at: "00:0f.0", ivshmem: { regions } };
  return { regions, device };
}

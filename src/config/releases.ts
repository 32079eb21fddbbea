import type { Architecture, Revision } from "./types.ts";

export const REVISIONS: readonly Revision[] = [3, 4, 8, 9, 10, 12, 14];

export function isRevision(number: number): number is Revision {
  return (REVISIONS as readonly number[]).includes(number);
}

/** What goes with a configuration revision at run time. */
export interface Release {
  readonly revision: Revision;
  /** The versions of Jailhouse with this revision. */
  readonly versions: readonly string[];
  /** ABI revision in the header of the communication region; undefined: the region has no header. */
  readonly commRegionAbi: 0 | 1 | 2 | undefined;
  /** Version of the shared-memory device. */
  readonly ivshmem: 1 | 2;
  /** Guest address at which an inmate image is loaded unless said otherwise. */
  readonly imageAddress: number;
  /** Guest address of the inmate's command line buffer of 256 bytes. */
  readonly cmdlineAddress: number;
  /** Host bytes the hypervisor keeps for each CPU, in front of its configuration copy. */
  readonly perCpuBytes: number;
  /** The hypervisor's log can be read through a page shared with the root cell. */
  readonly consolePage: boolean;
}

const v06: Omit<Release, "revision" | "versions"> = {
  commRegionAbi: undefined,
  ivshmem: 1,
  imageAddress: 0xf0000,
  cmdlineAddress: 0xf0000,
  perCpuBytes: 16384,
  consolePage: false,
};
const v07 = { ...v06, consolePage: true };
const v08 = { ...v07, imageAddress: 0, cmdlineAddress: 0x100 };
const v09 = { ...v08, cmdlineAddress: 0x1000, commRegionAbi: 0 } as const;
const v010 = { ...v09, perCpuBytes: 24576, commRegionAbi: 1 } as const;
const v012 = { ...v010, commRegionAbi: 2, ivshmem: 2 } as const;

const RELEASES: Readonly<Record<Revision, Release>> = {
  3: { ...v06, revision: 3, versions: ["v0.6"] },
  4: { ...v07, revision: 4, versions: ["v0.7"] },
  8: { ...v08, revision: 8, versions: ["v0.8"] },
  9: { ...v09, revision: 9, versions: ["v0.9", "v0.9.1"] },
  10: { ...v010, revision: 10, versions: ["v0.10", "v0.11"] },
  12: { ...v012, revision: 12, versions: ["v0.12"] },
  14: { ...v012, revision: 14, versions: ["master"] },
};

export function releaseOf(revision: Revision): Release {
  return RELEASES[revision];
}

/** Where the CPUs of a cell start if its configuration cannot say (below revision 8). */
export function fixedResetAddress(architecture: Architecture): bigint {
  return architecture === "x86" ? 0xffff0n : 0n;
}

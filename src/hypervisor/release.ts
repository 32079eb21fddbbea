/**
 * What distinguishes the releases of Jailhouse at run time. A system runs with
 * the behaviour of the release whose configuration revision it was written
 * for; each difference is a named fact here, so that no other file compares
 * revisions. Revision 10 is shared by v0.10 and v0.11; it behaves as v0.11.
 */

import { type Release as ConfigRelease, releaseOf as configReleaseOf } from "../config/releases.ts";
import type { Revision } from "../config/types.ts";

/** Order in which the statistics counters are numbered for CPU_GET_INFO. */
export type StatisticsNumbering = "v0.6" | "v0.11";

/** Field offsets of the communication region; undefined: the release has no such field. */
export interface CommLayout {
  /** Bytes of the structure. */
  readonly size: number;
  readonly messageToCell: number;
  readonly replyFromCell: number;
  readonly flags: number | undefined;
  readonly console: number | undefined;
  readonly pciMmconfigBase: number | undefined;
  readonly pmTimerAddress: number;
  readonly cpuCount: number;
  readonly tscKilohertz: number | undefined;
  readonly apicKilohertz: number | undefined;
}

interface Behaviour {
  /** As printed at enable. */
  readonly version: string;
  /** Virtual address printed as "Code location". */
  readonly codeLocation: bigint;

  // --- communication region ---
  readonly comm: CommLayout;
  /** The page is zeroed and filled at every start (otherwise only at create). */
  readonly commClearedAtStart: boolean;

  // --- hypercalls ---
  /** 64-bit mode needs CS.L besides EFER.LMA, and privilege is the DPL of CS rather than its RPL. */
  readonly callerJudgedByDescriptor: boolean;
  readonly statistics: StatisticsNumbering;

  // --- lifecycle ---
  /** A parked CPU executes its page here (guest-physical, also the page's address). */
  readonly parkedPage: number;
  /** A wait for a reply ends after the cell's msg_reply_timeout. */
  readonly replyTimeout: boolean;
  /** SET_LOADABLE of a loadable cell still parks its CPUs (otherwise leaves them suspended). */
  readonly reloadParksCpus: boolean;
  readonly destroyWritesState: boolean;
  /** At DISABLE every CPU waits for all others before the common shutdown. */
  readonly disableWaitsForAll: boolean;
  /** The driver refuses to give CPU 0 to a cell. */
  readonly cpu0StaysInRoot: boolean;
  /** The driver lets the flag "virtual console active" imply "permitted". */
  readonly activeConsoleImpliesPermitted: boolean;
  /** PCI devices are reset when their cell becomes loadable. */
  readonly pciResetAtLoad: boolean;

  // --- PCI devices ---
  /** Reset of a device masks its MSI-X vectors in hardware. */
  readonly resetMasksVectors: boolean;
  /** ... with its memory enabled meanwhile. */
  readonly resetEnablesMemory: boolean;
  /** The first end of a shared-memory link clears the states of all its peers, not only its own. */
  readonly firstPeerClearsStates: boolean;

  // --- moderation ---
  /** VMX and SVM are hidden from CPUID of non-root cells. */
  readonly hidesVirtualization: boolean;
  /** One-byte accesses to port 0x80 are ignored where not permitted. */
  readonly port80Ignored: boolean;
  /** IPIs may use the "all" shorthands. */
  readonly ipiBroadcast: boolean;
  readonly nmiLineNamesCpu: boolean;
  /** What an IOAPIC data access to a low index or a foreign pin does. */
  readonly ioapic: {
    /** Indices 2 to 15 read the hardware (otherwise fatal). */
    readonly lowIndicesReadable: boolean;
    /** Entries of foreign pins read 0 and ignore writes (otherwise fatal). */
    readonly foreignPinsIgnored: boolean;
    /** Pins leave root masked at create (otherwise the cell's start masks them). */
    readonly maskedAtCreate: boolean;
  };

  // --- enable ---
  /** PM timer port is mandatory. */
  readonly pmTimerRequired: boolean;
  /** "Initializing unit: NAME" lines. */
  readonly unitHeadings: boolean;
  readonly iommuTypeChecked: boolean;
  /** Pages of the remapping pool that each CPU takes at start. */
  readonly remapPagesPerCpu: number;
  /** Devices in interrupt lines are printed as bus:device.function. */
  readonly interruptLineNamesFunction: boolean;
}

export type Release = ConfigRelease & Behaviour;

const COMM_V06: CommLayout = {
  size: 20,
  messageToCell: 0,
  replyFromCell: 4,
  flags: undefined,
  console: undefined,
  pciMmconfigBase: undefined,
  pmTimerAddress: 16,
  cpuCount: 18,
  tscKilohertz: undefined,
  apicKilohertz: undefined,
};

const COMM_V08: CommLayout = {
  ...COMM_V06,
  size: 40,
  pciMmconfigBase: 16,
  pmTimerAddress: 24,
  cpuCount: 26,
  tscKilohertz: 28,
  apicKilohertz: 32,
};

const COMM_V09: CommLayout = {
  size: 48,
  messageToCell: 12,
  replyFromCell: 16,
  flags: undefined,
  console: undefined,
  pciMmconfigBase: 24,
  pmTimerAddress: 32,
  cpuCount: 34,
  tscKilohertz: 36,
  apicKilohertz: 40,
};

const COMM_V10: CommLayout = {
  size: 80,
  messageToCell: 12,
  replyFromCell: 16,
  flags: 20,
  console: 24,
  pciMmconfigBase: 56,
  pmTimerAddress: 64,
  cpuCount: 66,
  tscKilohertz: 68,
  apicKilohertz: 72,
};

const COMM_V12: CommLayout = { ...COMM_V10, size: 76 };

const V06: Behaviour = {
  version: "v0.6",
  codeLocation: 0xffff_ffff_f000_0040n,
  comm: COMM_V06,
  commClearedAtStart: false,
  callerJudgedByDescriptor: false,
  statistics: "v0.6",
  parkedPage: 0xff000,
  replyTimeout: false,
  reloadParksCpus: false,
  destroyWritesState: false,
  disableWaitsForAll: false,
  cpu0StaysInRoot: false,
  activeConsoleImpliesPermitted: false,
  pciResetAtLoad: false,
  resetMasksVectors: false,
  resetEnablesMemory: false,
  firstPeerClearsStates: false,
  hidesVirtualization: false,
  port80Ignored: false,
  ipiBroadcast: false,
  nmiLineNamesCpu: false,
  ioapic: { lowIndicesReadable: false, foreignPinsIgnored: false, maskedAtCreate: true },
  pmTimerRequired: true,
  unitHeadings: false,
  iommuTypeChecked: false,
  remapPagesPerCpu: 16,
  interruptLineNamesFunction: false,
};

const V07: Behaviour = {
  ...V06,
  version: "v0.7",
  codeLocation: 0xffff_ffff_f000_0050n,
  resetMasksVectors: true,
};

const V08: Behaviour = {
  ...V07,
  version: "v0.8",
  codeLocation: 0xffff_ffff_f000_0060n,
  comm: COMM_V08,
  parkedPage: 0,
  replyTimeout: true,
  disableWaitsForAll: true,
  hidesVirtualization: true,
  port80Ignored: true,
  ioapic: { lowIndicesReadable: true, foreignPinsIgnored: true, maskedAtCreate: false },
  pmTimerRequired: false,
};

const V09: Behaviour = {
  ...V08,
  version: "v0.9",
  comm: COMM_V09,
  commClearedAtStart: true,
  callerJudgedByDescriptor: true,
  reloadParksCpus: true,
  unitHeadings: true,
};

const V11: Behaviour = {
  ...V09,
  version: "v0.11",
  codeLocation: 0xffff_ffff_f000_0050n,
  comm: COMM_V10,
  statistics: "v0.11",
  cpu0StaysInRoot: true,
  activeConsoleImpliesPermitted: true,
  pciResetAtLoad: true,
  resetEnablesMemory: true,
  nmiLineNamesCpu: true,
  remapPagesPerCpu: 0,
  interruptLineNamesFunction: true,
};

const V12: Behaviour = {
  ...V11,
  version: "v0.12",
  comm: COMM_V12,
  destroyWritesState: true,
  ipiBroadcast: true,
  iommuTypeChecked: true,
};

const MASTER: Behaviour = { ...V12, version: "v0.12 (master)", firstPeerClearsStates: true };

const BEHAVIOUR: Readonly<Record<Revision, Behaviour>> = {
  3: V06,
  4: V07,
  8: V08,
  9: V09,
  10: V11,
  12: V12,
  14: MASTER,
};

/** The release that a configuration of this revision belongs to. */
export function releaseOf(revision: Revision): Release {
  return { ...configReleaseOf(revision), ...BEHAVIOUR[revision] };
}

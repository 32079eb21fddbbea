/**
 * What a partition is: the content of Jailhouse's system and cell configurations, in one form for
 * every revision of the binary format. Field names are Jailhouse's own.
 *
 * Two rules hold throughout:
 *
 * - A field that is 64 bits wide in the file is a `bigint`, a narrower one a `number`. So every value
 *   survives a round trip exactly, and a type says how wide its field is.
 * - Codes and bits that a revision gives no name to are kept, not dropped: an unnamed code stays the
 *   number it is, unnamed bits stand in `unknownBits`, padding that is not zero stands in `unused`.
 */

/** The revisions of the binary format that were released: v0.6 (3) to the branch after v0.12 (14). */
export type Revision = 3 | 4 | 8 | 9 | 10 | 12 | 14;

export type Architecture = "x86" | "arm" | "arm64";

/** Keeps what the record's bytes hold beyond its fields. */
export interface Preserved {
  /** The padding of the record in file order; absent when all of it is zero. */
  readonly unused?: Uint8Array;
}

/** Either kind of configuration file. */
export type Config = SystemConfig | CellConfig;

/** What `jailhouse enable` takes: the machine, and the root cell that owns what is left of it. */
export interface SystemConfig extends Preserved {
  readonly kind: "system";
  readonly revision: Revision;
  readonly architecture: Architecture;
  readonly flags: SystemFlags;
  /** Reserved for the hypervisor itself; `virtStart` and `flags` mean nothing here. */
  readonly hypervisorMemory: MemoryRegion;
  readonly debugConsole: Console;
  /** Physical base of memory-mapped PCI configuration space; 0 = none. */
  readonly pciMmconfigBase: bigint;
  /** Last bus; the window is (pciMmconfigEndBus + 1) MiB. */
  readonly pciMmconfigEndBus: number;
  /** The host bridge exists only for virtual devices (boards without PCI). */
  readonly pciIsVirtual: boolean;
  /** Domain of that virtual bridge; 0xffff = any. Always 0 below revision 9. */
  readonly pciDomain: number;
  readonly platform: X86Platform | ArmPlatform;
  readonly rootCell: CellConfig;
}

export interface SystemFlags {
  /** The log also goes to the console page shared with the root cell (a console flag in revisions 4 to 9). */
  readonly virtualDebugConsole: boolean;
  readonly unknownBits: number;
}

export interface X86Platform extends Preserved {
  readonly kind: "x86";
  /** I/O port of the ACPI PM timer; its four ports are readable by every cell. 0 = none. */
  readonly pmTimerAddress: number;
  /** Interrupt-remapping entries to provide (VT-d). */
  readonly vtdInterruptLimit: number;
  readonly apicMode: ApicMode | number;
  /** 0 = measured. Always 0 below revision 8. */
  readonly tscKhz: number;
  /** 0 = measured. Always 0 below revision 8. */
  readonly apicKhz: number;
  readonly iommuUnits: readonly IommuUnit[];
}

export type ApicMode = "auto" | "xapic" | "x2apic";

export interface ArmPlatform extends Preserved {
  readonly kind: "arm";
  readonly maintenanceIrq: number;
  /** 2 or 3. Always 0 below revision 8. */
  readonly gicVersion: number;
  readonly gicdBase: bigint;
  readonly giccBase: bigint;
  readonly gichBase: bigint;
  readonly gicvBase: bigint;
  readonly gicrBase: bigint;
  /** Always empty below revision 12. */
  readonly iommuUnits: readonly IommuUnit[];
}

/** "unspecified": revisions up to 10 do not say; the hypervisor's build decided. */
export type IommuType = "unspecified" | "amd" | "intel" | "smmuv3" | "pvu" | "arm-mmu500";

/**
 * One of at most eight units. Hypervisors stop at the first unit with base 0; empty units behind the
 * last used one are not listed.
 */
export interface IommuUnit extends Preserved {
  readonly type: IommuType | number;
  /** Register base. */
  readonly base: bigint;
  /** Register window in bytes. */
  readonly size: number;
  /** AMD: the unit's own PCI address. */
  readonly amdBdf: number;
  /** AMD: config offset of the IOMMU capability. */
  readonly amdBaseCap: number;
  /** AMD: config offset of its MSI capability. */
  readonly amdMsiCap: number;
  readonly amdFeatures: number;
  /** TI PVU (type "pvu", revision 12 on). */
  readonly tlbBase: bigint;
  readonly tlbSize: number;
}

/** What `jailhouse cell create` takes, and the root cell inside a system. */
export interface CellConfig extends Preserved {
  readonly kind: "cell";
  readonly revision: Revision;
  readonly architecture: Architecture;
  /** At most 31 characters; each character is one byte of the file (0x01 to 0xff). */
  readonly name: string;
  /** The rest of the name's 32 bytes, from its NUL on; absent when zero. */
  readonly nameTail?: Uint8Array;
  /** Ignored at creation (the lowest free id is taken); 0 for the root cell. */
  readonly id: number;
  readonly flags: CellFlags;
  /** Logical CPU numbers, ascending. */
  readonly cpus: readonly number[];
  /** Bytes of the CPU bitmap in the file, normally 8. */
  readonly cpuSetSize: number;
  readonly memoryRegions: readonly MemoryRegion[];
  readonly cacheRegions: readonly CacheRegion[];
  readonly irqchips: readonly Irqchip[];
  /** Ports the cell may access; all others are denied. Up to revision 10: ascending, with gaps between. */
  readonly ports: readonly PortRange[];
  /** Bytes of the port bitmap in the file, up to revision 10; at most 0x2000. Ports beyond it are denied. */
  readonly pioBitmapSize: number;
  readonly pciDevices: readonly PciDevice[];
  /** Shared by all devices of the cell, see {@link PciDevice.capsStart}. */
  readonly pciCapabilities: readonly PciCapability[];
  /**
   * SMMU/PVU streams of a cell on ARM, revision 12 on. For an MMU-500 (revision 14) the low 16 bits
   * are the id and the high 16 bits say which id bits to ignore.
   */
  readonly streamIds: readonly number[];
  /** ARM: first SPI used for the INTx of virtual PCI devices. */
  readonly vpciIrqBase: number;
  /**
   * Guest-physical address at which all CPUs of the cell start. Below revision 8 it is not in the file
   * and fixed: 0xffff0 on x86, 0 on ARM.
   */
  readonly cpuResetAddress: bigint;
  /** Polls before an unanswered message counts as failure; 0 = wait forever. Always 0 below revision 8. */
  readonly msgReplyTimeout: bigint;
  /** Console for the inmate, given to it in the communication region. Type "none" below revision 10. */
  readonly console: Console;
  /** Bytes behind the configuration, which hypervisors ignore; absent when there are none. */
  readonly surplus?: Uint8Array;
}

export interface CellFlags {
  /** The hypervisor never waits for this cell's replies to messages. */
  readonly passiveCommRegion: boolean;
  /** A page of test registers follows the communication region. Revision 9 on. */
  readonly testDevice: boolean;
  /** AArch32 mode on an AArch64 CPU. Revision 14 on. */
  readonly aarch32: boolean;
  /** The cell may use the console hypercall (called DEBUG_CONSOLE up to revision 9). */
  readonly virtualConsolePermitted: boolean;
  /** Tells the inmate to use the console hypercall. Revision 10 on. */
  readonly virtualConsoleActive: boolean;
  readonly unknownBits: number;
}

export interface MemoryRegion {
  /** Host-physical. */
  readonly physStart: bigint;
  /** Guest-physical. */
  readonly virtStart: bigint;
  /** Bytes; 0 = placeholder in the region set of a shared-memory device. */
  readonly size: bigint;
  readonly flags: MemoryFlags;
}

export interface MemoryFlags {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** The cell's devices may access it too. */
  readonly dma: boolean;
  /** Device memory (ARM memory attributes; no effect on x86). */
  readonly io: boolean;
  /** The communication page; `physStart` is ignored. */
  readonly commRegion: boolean;
  /** Mapped into the root cell while the cell is loadable. */
  readonly loadable: boolean;
  /** Stays in the root cell at creation, is not given back at destruction. */
  readonly rootShared: boolean;
  /** 4 KiB pages only. Revision 12 on. */
  readonly noHugepages: boolean;
  /** Sub-page region: unaligned accesses permitted. */
  readonly ioUnaligned: boolean;
  /** Sub-page region: accesses of 8, 16, 32, 64 bits permitted. */
  readonly io8: boolean;
  readonly io16: boolean;
  readonly io32: boolean;
  readonly io64: boolean;
  readonly unknownBits: bigint;
}

/** Part of the last-level cache (Intel CAT). */
export interface CacheRegion extends Preserved {
  /** First bit of the capacity mask. */
  readonly start: number;
  /** Number of mask bits. */
  readonly size: number;
  readonly type: CacheType | number;
  /** The bits stay in the root cell's mask. */
  readonly rootShared: boolean;
  readonly unknownBits: number;
}

export type CacheType = "l3-code" | "l3-data" | "l3";

export interface Irqchip {
  /** Physical address of the registers (IOAPIC, GIC distributor). */
  readonly address: bigint;
  /** x86: IOMMU source id, low 16 bits bdf, high bits index of the IOMMU unit. */
  readonly id: number;
  /** First pin the bitmap covers; 0 on x86. */
  readonly pinBase: number;
  /** Bit n of word w: pin pinBase + 32 w + n belongs to the cell. */
  readonly pinBitmap: readonly [number, number, number, number];
}

/** x86 I/O ports base ... base + length - 1. */
export interface PortRange {
  readonly base: number;
  readonly length: number;
}

export type PciDeviceType = "device" | "bridge" | "ivshmem";

export interface PciDevice extends Preserved {
  readonly type: PciDeviceType | number;
  /** Index of the IOMMU unit. */
  readonly iommu: number;
  /** PCI segment. */
  readonly domain: number;
  /** bus << 8 | device << 3 | function. */
  readonly bdf: number;
  /** Per BAR the bits the cell may change; 0 = no such BAR. */
  readonly barMask: readonly [number, number, number, number, number, number];
  /** Index of the device's first entry in {@link CellConfig.pciCapabilities}. */
  readonly capsStart: number;
  readonly numCaps: number;
  readonly numMsiVectors: number;
  readonly msi64bits: boolean;
  /** From v0.11 on (revision 10, without a new number). */
  readonly msiMaskable: boolean;
  readonly unknownMsiBits: number;
  readonly numMsixVectors: number;
  /** Bytes intercepted around the MSI-X table and pending bits, a multiple of 4096. */
  readonly msixRegionSize: number;
  /** Physical address of the MSI-X table. */
  readonly msixAddress: bigint;
  /** ivshmem: index of its (first) memory region in {@link CellConfig.memoryRegions}. */
  readonly shmemRegionsStart: number;
  /** ivshmem: this end's number, 0 ... peers - 1. Always 0 below revision 12. */
  readonly shmemDevId: number;
  /** ivshmem: ends of the link at most. Always 0 below revision 12, where every link has two. */
  readonly shmemPeers: number;
  /** ivshmem: what is spoken over the link; the codes changed in revision 12. */
  readonly shmemProtocol: number;
}

export interface PciCapability {
  /** Capability id; bit 15 marks an extended (PCIe) one. */
  readonly id: number;
  /** Offset in configuration space. */
  readonly start: number;
  /** Bytes. */
  readonly len: number;
  /** The owning cell may write to it. */
  readonly writable: boolean;
  readonly unknownBits: number;
}

/**
 * "vga" exists up to revision 9, "efifb" from revision 10. "8250-arm" is a second code for the same
 * UART in revision 3.
 */
export type ConsoleType =
  | "none"
  | "vga"
  | "efifb"
  | "8250"
  | "8250-arm"
  | "pl011"
  | "xuartps"
  | "mvebu"
  | "hscif"
  | "scifa"
  | "imx"
  | "imx-lpuart"
  | "scif";

/** A console device, of the hypervisor or of a cell. */
export interface Console {
  readonly type: ConsoleType | number;
  /** `address` is an I/O port or a physical address. */
  readonly access: "pio" | "mmio";
  readonly address: bigint;
  /** Bytes of the register window. */
  readonly size: number;
  /** 1: bytes side by side; 4: 32-bit registers. */
  readonly registerDistance: 1 | 4;
  /** 16-bit UART divisor; 0 = keep the present setting. */
  readonly divider: number;
  /** ARM clock gate: bit number, and physical address of the register (0 = none). */
  readonly gateNr: number;
  readonly clockReg: bigint;
  /** Clear the gate's bit instead of setting it. Revision 10 on. */
  readonly invertedGate: boolean;
  /** Framebuffer of 1920x1080 instead of 1024x768. Revision 10 on. */
  readonly framebuffer1080: boolean;
  /** UART with the mode definition register of TI. Named from revision 12 on. */
  readonly mdrQuirk: boolean;
  readonly unknownBits: number;
}

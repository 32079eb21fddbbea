/** Layouts of the parts that systems and cells are made of, as a function of the revision. */
import type {
  CacheRegion,
  CacheType,
  Console,
  ConsoleType,
  IommuType,
  IommuUnit,
  Irqchip,
  MemoryFlags,
  MemoryRegion,
  PciCapability,
  PciDevice,
  PciDeviceType,
  PortRange,
  Revision,
} from "../types.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { Codec, Row, Spread } from "./fields.ts";
import {
  absent,
  bits,
  boolean,
  code,
  padding,
  record,
  slots,
  spread,
  u8,
  u16,
  u32,
  u64,
} from "./fields.ts";

export function memoryRegion(revision: Revision): Codec<MemoryRegion> {
  const flags: Codec<MemoryFlags> = bits(u64, {
    read: 0x1,
    write: 0x2,
    execute: 0x4,
    dma: 0x8,
    io: 0x10,
    commRegion: 0x20,
    loadable: 0x40,
    rootShared: 0x80,
    // a mask of 0: the flag does not exist in this revision
    noHugepages: revision >= 12 ? 0x100 : 0,
    ioUnaligned: revision >= 12 ? 0x8000 : 0x100,
    io8: 0x1_0000,
    io16: 0x2_0000,
    io32: 0x4_0000,
    io64: 0x8_0000,
  });
  return record<MemoryRegion>([
    ["physStart", u64],
    ["virtStart", u64],
    ["size", u64],
    ["flags", flags],
  ]);
}

export const cacheRegion = record<CacheRegion>([
  ["start", u32],
  ["size", u32],
  ["type", code<CacheType>(u8, { "l3-code": 1, "l3-data": 2, l3: 3 })],
  padding(1),
  spread<CacheRegion>(bits(u16, { rootShared: 0x1 })),
]);

export const irqchip = record<Irqchip>([
  ["address", u64],
  ["id", u32],
  ["pinBase", u32],
  ["pinBitmap", words<Irqchip["pinBitmap"]>(4)],
]);

/** Several 32-bit words in a row. */
function words<T extends readonly number[]>(count: number): Codec<T> {
  return {
    size: 4 * count,
    read: (from) => Array.from({ length: count }, () => from.u32()) as readonly number[] as T,
    write(to, values) {
      if (values.length !== count) to.fail(`has ${values.length} words, must have ${count}`);
      for (const value of values) to.u32(value);
    },
  };
}

/** Revision 12 on; earlier ones have a bitmap. */
export const portRange = record<PortRange>([
  ["base", u16],
  ["length", u16],
]);

export function pciDevice(revision: Revision): Codec<PciDevice> {
  const msiKind: Row<PciDevice>[] =
    revision >= 10
      ? [
          spread<PciDevice>(
            bits(u8, { msi64bits: 0x1, msiMaskable: 0x2 }, "unknownMsiBits") as Codec<
              Partial<PciDevice>
            >,
          ),
        ]
      : [
          ["msi64bits", boolean],
          ["msiMaskable", absent(false)],
          ["unknownMsiBits", absent(0)],
        ];
  const sharedMemory: Row<PciDevice>[] =
    revision >= 12
      ? [
          ["shmemRegionsStart", u32],
          ["shmemDevId", u8],
          ["shmemPeers", u8],
          ["shmemProtocol", u16],
        ]
      : [
          ["shmemRegionsStart", u32],
          ["shmemDevId", absent(0)],
          ["shmemPeers", absent(0)],
          ["shmemProtocol", u16],
          padding(2),
        ];
  return record<PciDevice>([
    ["type", code<PciDeviceType>(u8, { device: 1, bridge: 2, ivshmem: 3 })],
    ["iommu", u8],
    ["domain", u16],
    ["bdf", u16],
    ["barMask", words<PciDevice["barMask"]>(6)],
    ["capsStart", u16],
    ["numCaps", u16],
    ["numMsiVectors", u8],
    ...msiKind,
    ["numMsixVectors", u16],
    ["msixRegionSize", u16],
    ["msixAddress", u64],
    ...sharedMemory,
  ]);
}

export const pciCapability = record<PciCapability>([
  ["id", u16],
  ["start", u16],
  ["len", u16],
  spread<PciCapability>(bits(u16, { writable: 0x1 })),
]);

const amdIommu = record<IommuUnit>([
  ["amdBdf", u16],
  ["amdBaseCap", u8],
  ["amdMsiCap", u8],
  ["amdFeatures", u32],
  ["tlbBase", absent(0n)],
  ["tlbSize", absent(0)],
  padding(4),
]);

const pvuIommu = record<IommuUnit>([
  ["tlbBase", u64],
  ["tlbSize", u32],
  ["amdBdf", absent(0)],
  ["amdBaseCap", absent(0)],
  ["amdMsiCap", absent(0)],
  ["amdFeatures", absent(0)],
]);

/** The last 12 bytes of a unit mean what its type says. */
const iommuByType: Spread<IommuUnit> = {
  size: 12,
  readAll: (from: ByteReader, { type }: Partial<IommuUnit>) =>
    (type === "pvu" ? pvuIommu : amdIommu).read(from),
  writeAll: (to: ByteWriter, unit: IommuUnit) =>
    (unit.type === "pvu" ? pvuIommu : amdIommu).write(to, unit),
};

/** The eight slots for IOMMU units. */
export function iommuUnits(revision: Revision): Codec<readonly IommuUnit[]> {
  if (revision < 12)
    return slots(
      record<IommuUnit>([
        ["type", absent<IommuType>("unspecified") as Codec<IommuType | number>],
        ["base", u64],
        ["size", u32],
        ["amdBdf", u16],
        ["amdBaseCap", u8],
        ["amdMsiCap", u8],
        ["amdFeatures", u32],
        ["tlbBase", absent(0n)],
        ["tlbSize", absent(0)],
      ]),
      8,
    );
  const type = code<IommuType>(u32, {
    unspecified: 0,
    amd: 1,
    intel: 2,
    smmuv3: 3,
    pvu: 4,
    ...(revision >= 14 && { "arm-mmu500": 5 }),
  });
  return slots(record<IommuUnit>([["type", type], ["base", u64], ["size", u32], iommuByType]), 8);
}

export const noConsole: Console = {
  address: 0n,
  size: 0,
  type: "none",
  access: "pio",
  registerDistance: 1,
  framebuffer1080: false,
  invertedGate: false,
  mdrQuirk: false,
  unknownBits: 0,
  divider: 0,
  gateNr: 0,
  clockReg: 0n,
};

export function console(revision: Revision): Codec<Console> {
  return record<Console>([
    ["address", u64],
    ["size", u32],
    ...(revision >= 10 ? consoleTypeAndFlags(revision) : consoleFlagsWord(revision)),
    ["divider", u32],
    ["gateNr", u32],
    ["clockReg", u64],
  ]);
}

/** Revision 10 on: type and flags in a word each. */
function consoleTypeAndFlags(revision: Revision): Row<Console>[] {
  const type = code<ConsoleType>(u16, {
    none: 0,
    efifb: 1,
    "8250": 2,
    pl011: 3,
    xuartps: 4,
    mvebu: 5,
    hscif: 6,
    scifa: 7,
    imx: 8,
    ...(revision >= 14 && { "imx-lpuart": 9, scif: 10 }),
  });
  const flags: Codec<Partial<Console>> = bits(u16, {
    access: [0x1, "pio", "mmio"],
    registerDistance: [0x2, 1, 4],
    framebuffer1080: 0x4,
    invertedGate: 0x1000,
    mdrQuirk: revision >= 12 ? 0x2000 : 0,
  });
  return [["type", type], spread(flags)];
}

/** Up to revision 9: one word, the type in its low four bits. */
function consoleFlagsWord(revision: Revision): Row<Console>[] {
  const fields =
    revision === 3
      ? {
          type: { mask: 0xf, codes: consoleCodes(revision) },
          access: [0x20, "pio", "mmio"] as const,
          // not a flag of its own yet: MMIO is 32 bits wide
          registerDistance: [0x20, 1, 4] as const,
        }
      : {
          type: { mask: 0xf, codes: consoleCodes(revision) },
          access: [0x10, "pio", "mmio"] as const,
          registerDistance: [0x20, 1, 4] as const,
        };
  const flags: Codec<Partial<Console>> = bits(revision === 3 ? explicitPio : u32, fields);
  return [
    spread(flags),
    ["framebuffer1080", absent(false)],
    ["invertedGate", absent(false)],
    ["mdrQuirk", absent(false)],
  ];
}

function consoleCodes(
  revision: Revision,
): Partial<Record<ConsoleType, number>> & Record<string, number> {
  if (revision === 3) return { none: 0, "8250": 1, vga: 2, "8250-arm": 3, pl011: 4, xuartps: 5 };
  return {
    none: 0,
    vga: 1,
    "8250": 2,
    pl011: 3,
    xuartps: 4,
    ...(revision >= 8 && { mvebu: 5, hscif: 6 }),
    ...(revision >= 9 && { scifa: 7, imx: 8 }),
  };
}

/**
 * Revision 3 has a PIO bit (0x10) beside the MMIO bit (0x20). It is redundant: taking it out of
 * every word where it is as expected leaves it only where the two disagree.
 */
const explicitPio: Codec<number> = {
  size: 4,
  read: (from) => toggleExpectedPio(from.u32()),
  write: (to, word) => to.u32(toggleExpectedPio(word)),
};

function toggleExpectedPio(word: number): number {
  const expected = (word & 0xf) !== 0 && (word & 0x20) === 0 ? 0x10 : 0;
  return (word ^ expected) >>> 0;
}

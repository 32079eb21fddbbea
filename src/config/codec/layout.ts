/**
 * The structures of a configuration file, one table each for all revisions. Offsets are not written
 * down: they follow from the order, as in the packed C structures the files are dumped from.
 */

import { fixedResetAddress } from "../releases.ts";
import type {
  ApicMode,
  Architecture,
  ArmPlatform,
  CellConfig,
  CellFlags,
  Revision,
  SystemConfig,
  SystemFlags,
  X86Platform,
} from "../types.ts";
import { console, iommuUnits, memoryRegion, noConsole } from "./elements.ts";
import type { Codec, RecordCodec, Row } from "./fields.ts";
import {
  absent,
  bits,
  boolean,
  code,
  literal,
  padding,
  record,
  spread,
  u8,
  u16,
  u32,
  u64,
} from "./fields.ts";
import { cellName } from "./name.ts";
import { signature } from "./signature.ts";

/** Properties of a cell that stand in its trailing arrays; the descriptor counts their elements. */
export interface ArrayCounts {
  readonly numMemoryRegions: number;
  readonly numCacheRegions: number;
  readonly numIrqchips: number;
  /** Revision 12 on. */
  readonly numPioRegions: number;
  readonly numPciDevices: number;
  readonly numPciCaps: number;
  /** Revision 12 on. */
  readonly numStreamIds: number;
}

/** The fixed part of a cell configuration. */
export type CellDescriptor = ArrayCounts &
  Pick<
    CellConfig,
    | "name"
    | "nameTail"
    | "id"
    | "flags"
    | "cpuSetSize"
    | "pioBitmapSize"
    | "vpciIrqBase"
    | "cpuResetAddress"
    | "msgReplyTimeout"
    | "console"
    | "unused"
  >;

/** The fixed part of a system configuration, up to the root cell. */
export type SystemHeader = Omit<SystemConfig, "kind" | "revision" | "architecture" | "rootCell">;

/** @param embedded the root cell inside a system: its signature is meaningless and zero. */
export function cellDescriptor(
  revision: Revision,
  architecture: Architecture,
  embedded: boolean,
): RecordCodec<CellDescriptor> {
  return record<CellDescriptor>([
    embedded ? padding(8) : literal(signature("cell", revision, architecture)),
    spread<CellDescriptor>(cellName),
    ["id", u32],
    ["flags", cellFlags(revision)],
    ["cpuSetSize", u32],
    ["numMemoryRegions", u32],
    ["numCacheRegions", u32],
    ["numIrqchips", u32],
    ["pioBitmapSize", revision < 12 ? u32 : absent(0)],
    ["numPioRegions", revision < 12 ? absent(0) : u32],
    ["numPciDevices", u32],
    ["numPciCaps", u32],
    ["numStreamIds", revision < 12 ? absent(0) : u32],
    ["vpciIrqBase", u32],
    ["cpuResetAddress", revision < 8 ? absent(fixedResetAddress(architecture)) : u64],
    ["msgReplyTimeout", revision < 8 ? absent(0n) : u64],
    ["console", revision < 10 ? absent(noConsole) : console(revision)],
  ]);
}

function cellFlags(revision: Revision): Codec<CellFlags> {
  // a mask of 0: the flag does not exist in this revision
  if (revision < 10)
    return bits(u32, {
      passiveCommRegion: 0x1,
      virtualConsolePermitted: 0x2,
      testDevice: revision === 9 ? 0x4 : 0,
      aarch32: 0,
      virtualConsoleActive: 0,
    });
  return bits(u32, {
    passiveCommRegion: 0x1,
    testDevice: 0x2,
    aarch32: revision >= 14 ? 0x4 : 0,
    virtualConsolePermitted: 0x4000_0000,
    virtualConsoleActive: 0x8000_0000,
  });
}

export function systemHeader(
  revision: Revision,
  architecture: Architecture,
): RecordCodec<SystemHeader> {
  const flags: Codec<SystemFlags> =
    revision < 10
      ? absent({ virtualDebugConsole: false, unknownBits: 0 })
      : bits(u32, { virtualDebugConsole: 0x1 });
  return record<SystemHeader>([
    literal(signature("system", revision, architecture)),
    ["flags", flags],
    ["hypervisorMemory", memoryRegion(revision)],
    ["debugConsole", console(revision)],
    ["pciMmconfigBase", u64],
    ["pciMmconfigEndBus", u8],
    ["pciIsVirtual", boolean],
    ["pciDomain", revision < 9 ? absent(0) : u16],
    ["platform", platform(revision, architecture)],
  ]);
}

/**
 * The union of the architectures' parts, filled up to the size of the largest. From revision 14 on the
 * IOMMU units stand before the union, so that every architecture has them at the same place.
 */
function platform(
  revision: Revision,
  architecture: Architecture,
): Codec<X86Platform | ArmPlatform> {
  const size = revision < 8 ? 170 : revision < 12 ? 178 : revision < 14 ? 266 : 268;
  return architecture === "x86"
    ? filled("x86", x86Platform(revision), size)
    : filled("arm", armPlatform(revision), size);
}

function x86Platform(revision: Revision): Row<X86Platform>[] {
  const apicMode = code<ApicMode>(u8, { auto: 0, xapic: 1, x2apic: 2 });
  if (revision >= 14)
    return [
      ["iommuUnits", iommuUnits(revision)],
      ["pmTimerAddress", u16],
      ["apicMode", apicMode],
      padding(1),
      ["vtdInterruptLimit", u32],
      ["tscKhz", u32],
      ["apicKhz", u32],
    ];
  return [
    ["pmTimerAddress", u16],
    ["vtdInterruptLimit", u32],
    ["apicMode", apicMode],
    padding(3),
    ["tscKhz", revision < 8 ? absent(0) : u32],
    ["apicKhz", revision < 8 ? absent(0) : u32],
    ["iommuUnits", iommuUnits(revision)],
  ];
}

function armPlatform(revision: Revision): Row<ArmPlatform>[] {
  const units: Row<ArmPlatform> = [
    "iommuUnits",
    revision < 12 ? absent<ArmPlatform["iommuUnits"]>([]) : iommuUnits(revision),
  ];
  return [
    ...(revision >= 14 ? [units] : []),
    ["maintenanceIrq", u8],
    ...(revision < 8
      ? [["gicVersion", absent(0)] satisfies Row<ArmPlatform>, padding(1)]
      : [["gicVersion", u8] satisfies Row<ArmPlatform>]),
    ...(revision >= 14 ? [padding(2)] : []),
    ["gicdBase", u64],
    ["giccBase", u64],
    ["gichBase", u64],
    ["gicvBase", u64],
    ["gicrBase", u64],
    ...(revision >= 14 ? [] : [units]),
  ];
}

function filled<T extends { readonly kind: string }>(
  kind: T["kind"],
  rows: readonly Row<T>[],
  size: number,
): Codec<X86Platform | ArmPlatform> {
  const filler = padding(size - record<T>(rows).size);
  const kindRow = ["kind", absent(kind)] as unknown as Row<T>;
  return record<T>([kindRow, ...rows, filler]) as unknown as Codec<X86Platform | ArmPlatform>;
}

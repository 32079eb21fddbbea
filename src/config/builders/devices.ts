import { noConsole } from "../codec/elements.ts";
import type {
  CacheRegion,
  Console,
  IommuUnit,
  Irqchip,
  MemoryRegion,
  PciCapability,
  PciDevice,
  PortRange,
} from "../types.ts";

export const com1: PortRange = { base: 0x3f8, length: 8 };
export const com2: PortRange = { base: 0x2f8, length: 8 };
export const com3: PortRange = { base: 0x3e8, length: 8 };
export const com4: PortRange = { base: 0x2e8, length: 8 };

/** Ports `base` ... `last`, both included. */
export function ports(base: number, last = base): PortRange {
  return { base, length: last - base + 1 };
}

/** An 8250 (16550) UART at I/O ports. */
export function uart8250(range: PortRange): Console {
  return { ...noConsole, type: "8250", address: BigInt(range.base) };
}

/** The IOAPIC's pins a cell gets. `sourceId` is the IOAPIC's PCI address as the IOMMU sees it. */
export function ioapic(options: {
  readonly sourceId: number;
  readonly pins: readonly number[];
  readonly address?: number | bigint;
}): Irqchip {
  const bitmap: [number, number, number, number] = [0, 0, 0, 0];
  for (const pin of options.pins) {
    const word = pin >> 5;
    if (!Number.isInteger(pin) || pin < 0 || pin > 127)
      throw new RangeError(`IOAPIC pin ${pin} is not from 0 to 127`);
    bitmap[word] = ((bitmap[word] as number) | (1 << (pin & 31))) >>> 0;
  }
  return {
    address: BigInt(options.address ?? 0xfec0_0000),
    id: options.sourceId,
    pinBase: 0,
    pinBitmap: bitmap,
  };
}

/** Pin numbers of an interrupt chip, counted from pin 0 of the machine (pinBase included). */
export function pinsOf({ pinBase, pinBitmap }: Irqchip): number[] {
  return pinBitmap.flatMap((word, index) =>
    Array.from({ length: 32 }, (_, bit) => bit)
      .filter((bit) => (word >>> bit) & 1)
      .map((bit) => pinBase + index * 32 + bit),
  );
}

/** Mask bits `start` ... of the last-level cache, for code and data. */
export function l3Cache(start: number, size: number): CacheRegion {
  return { start, size, type: "l3", rootShared: false, unknownBits: 0 };
}

/** An Intel VT-d unit. */
export function vtd(base: number | bigint, sizeBytes = 0x1000): IommuUnit {
  return {
    type: "intel",
    base: BigInt(base),
    size: sizeBytes,
    amdBdf: 0,
    amdBaseCap: 0,
    amdMsiCap: 0,
    amdFeatures: 0,
    tlbBase: 0n,
    tlbSize: 0,
  };
}

/** An AMD IOMMU, itself the PCI function `at`. */
export function amdIommu(options: {
  readonly base: number | bigint;
  readonly at: string;
  readonly sizeBytes?: number;
  readonly baseCap: number;
  readonly msiCap: number;
  readonly features: number;
}): IommuUnit {
  return {
    ...vtd(options.base, options.sizeBytes ?? 0x4000),
    type: "amd",
    amdBdf: parseBdf(options.at),
    amdBaseCap: options.baseCap,
    amdMsiCap: options.msiCap,
    amdFeatures: options.features,
  };
}

/** "00:1f.2" to bus << 8 | device << 3 | function. @throws RangeError */
export function parseBdf(text: string): number {
  const match = /^([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(text);
  const device = Number.parseInt(match?.[2] ?? "ff", 16);
  if (match === null || device > 31)
    throw new RangeError(`"${text}" is not a PCI address: bus:device.function, such as 00:1f.2`);
  return (Number.parseInt(match[1] as string, 16) << 8) | (device << 3) | Number(match[3]);
}

export function formatBdf(bdf: number): string {
  const hex = (number: number) => number.toString(16).padStart(2, "0");
  return `${hex(bdf >> 8)}:${hex((bdf >> 3) & 31)}.${bdf & 7}`;
}

/** A range of configuration space; `writable` by the owning cell unless `"fixed"` is said. */
export function capability(
  id: number,
  start: number,
  len: number,
  access: "writable" | "fixed" = "writable",
): PciCapability {
  return { id, start, len, writable: access === "writable", unknownBits: 0 };
}

/** What a PCI device of a cell is, before it is known where its parts stand in the cell's arrays. */
export interface PciDeviceOptions
  extends Partial<Omit<PciDevice, "type" | "bdf" | "capsStart" | "numCaps">> {
  /** Bus, device and function: "00:1f.2". */
  readonly at: string;
  readonly type?: PciDevice["type"];
  readonly capabilities?: readonly PciCapability[];
  /** A virtual device for shared memory instead of a real one. */
  readonly ivshmem?: SharedMemoryOptions;
}

export interface SharedMemoryOptions {
  /** Its memory regions, which the cell must list in this order; see `sharedMemoryRegions`. */
  readonly regions: readonly MemoryRegion[];
  /** This end's number; the ends of the link. Revision 12 on. */
  readonly id?: number;
  readonly peers?: number;
  readonly protocol?: number;
}

/** The arrays that follow a cell descriptor, in file order, and how each finds its length. */
import { deniedPorts, PORT_COUNT, permittedPorts } from "../ports.ts";
import type { CellConfig, Revision } from "../types.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import {
  cacheRegion,
  irqchip,
  memoryRegion,
  pciCapability,
  pciDevice,
  portRange,
} from "./elements.ts";
import type { Codec } from "./fields.ts";
import { u32 } from "./fields.ts";
import type { ArrayCounts, CellDescriptor } from "./layout.ts";

type CountField = keyof ArrayCounts | "cpuSetSize" | "pioBitmapSize";

type ArrayProperty =
  | "cpus"
  | "memoryRegions"
  | "cacheRegions"
  | "irqchips"
  | "ports"
  | "pciDevices"
  | "pciCapabilities"
  | "streamIds";

/** One of the arrays, and the field of the descriptor that says how long it is. */
export interface TrailingArray {
  readonly property: ArrayProperty;
  readonly countField: CountField;
  /** Bytes of one element as counted by `countField`. */
  readonly elementSize: number;
  /** Largest legal value of `countField`, where the format sets one below what fits into the file. */
  readonly limit?: number;
  /** What `countField` must hold for this cell. */
  count(cell: CellConfig): number;
  read(from: ByteReader, count: number): Partial<CellConfig>;
  write(to: ByteWriter, cell: CellConfig): void;
}

type ListProperty = Exclude<ArrayProperty, "cpus">;

function list<P extends ListProperty>(
  property: P,
  countField: CountField,
  element: Codec<CellConfig[P][number]>,
): TrailingArray {
  return {
    property,
    countField,
    elementSize: element.size,
    count: (cell) => cell[property].length,
    read: (from, count) => ({
      [property]: Array.from({ length: count }, (_, index) =>
        from.within(`[${index}]`, () => element.read(from)),
      ),
    }),
    write(to, cell) {
      cell[property].forEach((value, index) => {
        to.within(`[${index}]`, () => element.write(to, value));
      });
    },
  };
}

/** The hypervisor accepts no bigger set. */
const MAXIMUM_CPU_SET_BYTES = 4096;

const cpuSet: TrailingArray = {
  property: "cpus",
  countField: "cpuSetSize",
  elementSize: 1,
  limit: MAXIMUM_CPU_SET_BYTES,
  count: (cell) => cell.cpuSetSize,
  read(from, count) {
    const bitmap = from.slice(count);
    const cpus: number[] = [];
    bitmap.forEach((byte, index) => {
      for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) cpus.push(index * 8 + bit);
    });
    return { cpus };
  },
  write(to, { cpus, cpuSetSize }) {
    const bitmap = new Uint8Array(cpuSetSize);
    for (const cpu of cpus) {
      if (!Number.isInteger(cpu) || cpu < 0 || cpu >= cpuSetSize * 8)
        to.fail(`${cpu} is not a CPU of a set of ${cpuSetSize} bytes`);
      bitmap[cpu >> 3] = (bitmap[cpu >> 3] as number) | (1 << (cpu & 7));
    }
    to.put(bitmap);
  },
};

const portBitmap: TrailingArray = {
  property: "ports",
  countField: "pioBitmapSize",
  elementSize: 1,
  limit: PORT_COUNT / 8,
  count: (cell) => cell.pioBitmapSize,
  read: (from, count) => ({ ports: permittedPorts(from.slice(count)) }),
  write(to, { ports, pioBitmapSize }) {
    ports.forEach(({ base, length }, index) => {
      const fits =
        Number.isInteger(base) &&
        Number.isInteger(length) &&
        base >= 0 &&
        length >= 0 &&
        base + length <= pioBitmapSize * 8;
      if (!fits)
        to.within(`[${index}]`, () =>
          to.fail(`${base}+${length} is outside the ${pioBitmapSize * 8} ports of the bitmap`),
        );
    });
    to.put(deniedPorts(ports, pioBitmapSize));
  },
};

export function trailingArrays(revision: Revision): readonly TrailingArray[] {
  return [
    cpuSet,
    list("memoryRegions", "numMemoryRegions", memoryRegion(revision)),
    list("cacheRegions", "numCacheRegions", cacheRegion),
    list("irqchips", "numIrqchips", irqchip),
    revision < 12 ? portBitmap : list("ports", "numPioRegions", portRange),
    list("pciDevices", "numPciDevices", pciDevice(revision)),
    list("pciCapabilities", "numPciCaps", pciCapability),
    list("streamIds", "numStreamIds", u32),
  ];
}

/** The counts a descriptor needs for the arrays of `cell`. */
export function arrayCounts(
  cell: CellConfig,
  arrays: readonly TrailingArray[],
): Pick<CellDescriptor, CountField> {
  const none = {
    cpuSetSize: 0,
    numMemoryRegions: 0,
    numCacheRegions: 0,
    numIrqchips: 0,
    pioBitmapSize: 0,
    numPioRegions: 0,
    numPciDevices: 0,
    numPciCaps: 0,
    numStreamIds: 0,
  };
  const counts = arrays.map((array) => [array.countField, array.count(cell)] as const);
  return { ...none, ...Object.fromEntries(counts) };
}

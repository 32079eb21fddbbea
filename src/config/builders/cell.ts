import { noConsole } from "../codec/elements.ts";
import { ConfigError } from "../config-error.ts";
import { PORT_COUNT } from "../ports.ts";
import { fixedResetAddress } from "../releases.ts";
import type {
  Architecture,
  CacheRegion,
  CellConfig,
  CellFlags,
  Console,
  Irqchip,
  MemoryRegion,
  PciCapability,
  PciDevice,
  PortRange,
  Revision,
} from "../types.ts";
import type { PciDeviceOptions } from "./devices.ts";
import { parseBdf } from "./devices.ts";

/** A cell as a person describes it; what is left out is empty, off or 0. */
export interface CellOptions extends Partial<CellFlags> {
  readonly name: string;
  /** Default 14, the newest. */
  readonly revision?: Revision;
  readonly architecture?: Architecture;
  /** Logical CPU numbers. */
  readonly cpus: readonly number[];
  /** Bytes of the CPU bitmap; default 8, or more if the CPUs need it. */
  readonly cpuSetBytes?: number;
  readonly memory: readonly MemoryRegion[];
  readonly cache?: readonly CacheRegion[];
  readonly irqchips?: readonly Irqchip[];
  readonly ports?: readonly PortRange[];
  readonly pciDevices?: readonly PciDeviceOptions[];
  /** Order of the devices' capability lists in the file; default: as the devices come. */
  readonly capabilityLists?: readonly (readonly PciCapability[])[];
  readonly streamIds?: readonly number[];
  readonly vpciIrqBase?: number;
  /** Guest-physical start of the CPUs, revision 8 on; before it is fixed. */
  readonly resetAddress?: number | bigint;
  /** Polls before an unanswered message counts as failure; 0 = wait forever. */
  readonly messageReplyTimeoutPolls?: number | bigint;
  /** Console for the inmate, revision 10 on. */
  readonly console?: Console;
}

/** @throws ConfigError if a device refers to memory or capabilities that the cell does not list. */
export function cell(options: CellOptions): CellConfig {
  const { name, revision = 14, architecture = "x86", cpus, memory, pciDevices = [] } = options;
  const lists = [
    ...new Set([
      ...(options.capabilityLists ?? []),
      ...pciDevices.flatMap(({ capabilities }) => (capabilities?.length ? [capabilities] : [])),
    ]),
  ];
  const resetAddress = revision < 8 ? fixedResetAddress(architecture) : 0n;
  return {
    kind: "cell",
    revision,
    architecture,
    name,
    id: 0,
    flags: {
      passiveCommRegion: options.passiveCommRegion ?? false,
      testDevice: options.testDevice ?? false,
      aarch32: options.aarch32 ?? false,
      virtualConsolePermitted: options.virtualConsolePermitted ?? false,
      virtualConsoleActive: options.virtualConsoleActive ?? false,
      unknownBits: options.unknownBits ?? 0,
    },
    cpus: [...cpus].sort((a, b) => a - b),
    cpuSetSize: options.cpuSetBytes ?? Math.max(8, Math.ceil((Math.max(0, ...cpus) + 1) / 8)),
    memoryRegions: memory,
    cacheRegions: options.cache ?? [],
    irqchips: options.irqchips ?? [],
    ports: options.ports ?? [],
    pioBitmapSize: revision < 12 && architecture === "x86" ? PORT_COUNT / 8 : 0,
    pciDevices: pciDevices.map((device) => pciDevice(device, name, revision, memory, lists)),
    pciCapabilities: lists.flat(),
    streamIds: options.streamIds ?? [],
    vpciIrqBase: options.vpciIrqBase ?? 0,
    cpuResetAddress: BigInt(options.resetAddress ?? resetAddress),
    msgReplyTimeout: BigInt(options.messageReplyTimeoutPolls ?? 0),
    console: options.console ?? noConsole,
  };
}

function pciDevice(
  options: PciDeviceOptions,
  cellName: string,
  revision: Revision,
  memory: readonly MemoryRegion[],
  lists: readonly (readonly PciCapability[])[],
): PciDevice {
  const { at, capabilities = [], ivshmem, ...given } = options;
  const listIndex = lists.indexOf(capabilities);
  return {
    type: ivshmem === undefined ? "device" : "ivshmem",
    iommu: 0,
    domain: 0,
    bdf: parseBdf(at),
    barMask: ivshmem === undefined ? [0, 0, 0, 0, 0, 0] : ivshmemBarMask(revision),
    capsStart: listIndex < 0 ? 0 : lists.slice(0, listIndex).flat().length,
    numCaps: capabilities.length,
    numMsiVectors: 0,
    msi64bits: false,
    msiMaskable: false,
    unknownMsiBits: 0,
    numMsixVectors: ivshmem === undefined ? 0 : 1,
    msixRegionSize: 0,
    msixAddress: 0n,
    shmemRegionsStart:
      ivshmem === undefined ? 0 : indexOfRegions(ivshmem.regions, memory, cellName, at),
    shmemDevId: ivshmem?.id ?? 0,
    shmemPeers: ivshmem?.peers ?? (ivshmem !== undefined && revision >= 12 ? 2 : 0),
    shmemProtocol: ivshmem?.protocol ?? 0,
    ...given,
  };
}

/** The shared-memory device with MSI-X: a register BAR and a table BAR. */
function ivshmemBarMask(revision: Revision): PciDevice["barMask"] {
  if (revision < 12) return [0xffff_ff00, 0xffff_ffff, 0, 0, 0xffff_ffe0, 0xffff_ffff];
  return [0xffff_f000, revision < 14 ? 0xffff_fe00 : 0xffff_f000, 0, 0, 0, 0];
}

function indexOfRegions(
  regions: readonly MemoryRegion[],
  memory: readonly MemoryRegion[],
  cellName: string,
  at: string,
): number {
  const start = memory.findIndex((_, index) =>
    regions.every((region, step) => memory[index + step] === region),
  );
  if (start < 0)
    throw new ConfigError(
      cellName,
      0,
      `pciDevices[${at}].ivshmem.regions`,
      "the regions of a shared-memory device must stand in the cell's memory, in order",
    );
  return start;
}

/** The ends of links in a configuration: shared-memory devices, and the regions that belong to them. */
import type { Place } from "../finding.ts";
import type { CellConfig, MemoryRegion, PciDevice } from "../types.ts";

/** A shared-memory device of a cell. */
export interface LinkEndOf {
  readonly cell: CellConfig;
  readonly isRoot: boolean;
  readonly device: PciDevice;
  /** Place in the cell's list of devices. */
  readonly index: number;
  /** How many regions the device has. */
  readonly regionCount: number;
}

/** Regions in front of the outputs, version 2: state table, and what all may write. */
export const FIRST_OUTPUT = 2;

export function linkEnds(cell: CellConfig, isRoot: boolean, version: 1 | 2): LinkEndOf[] {
  return cell.pciDevices.flatMap((device, index) =>
    device.type === "ivshmem"
      ? [
          {
            cell,
            isRoot,
            device,
            index,
            regionCount: version === 1 ? 1 : FIRST_OUTPUT + device.shmemPeers,
          },
        ]
      : [],
  );
}

/** Whether the cell has all the regions that the device wants. */
export function hasItsRegions({ cell, device, regionCount }: LinkEndOf): boolean {
  return device.shmemRegionsStart + regionCount <= cell.memoryRegions.length;
}

/** The device's regions with their places in the cell's list; none if they are not all there. */
export function regionsOf(end: LinkEndOf): { region: MemoryRegion; index: number }[] {
  if (!hasItsRegions(end)) return [];
  const { cell, device, regionCount } = end;
  return Array.from({ length: regionCount }, (_, step) => {
    const index = device.shmemRegionsStart + step;
    return { region: cell.memoryRegions[index], index };
  });
}

/** @param field of the device, or a path that begins with `memoryRegions` */
export function place(
  { cell, index }: LinkEndOf,
  field: string,
  value: number | bigint | string,
): Place {
  return {
    cell: cell.name,
    field: field.startsWith("memoryRegions") ? field : `pciDevices[${index}].${field}`,
    value: typeof value === "string" ? value : `0x${value.toString(16)}`,
  };
}

/** How much RAM, and how many CPUs, the machine behind a set of configurations has. */
import type { CellConfig, MemoryRegion, SystemConfig } from "../config/types.ts";
import { GuestMemory } from "../engine/guest-memory.ts";
import { ScenarioError } from "./scenario.ts";

const MiB = 1024 * 1024;

/**
 * RAM reaches to the end of the highest region that can only be RAM: the hypervisor's own, one that
 * code is executed from, one that images are loaded into. Rounded up to a MiB, because read-only
 * tables of the firmware stand behind the last of them.
 * @throws ScenarioError if a cell's RAM lies beyond what a machine can have
 */
export function ramBytes(system: SystemConfig, cells: readonly CellConfig[]): number {
  let end = 0n;
  const reach = (owner: string, index: number, region: MemoryRegion, required: boolean): void => {
    const regionEnd = region.physStart + region.size;
    const fits = regionEnd <= BigInt(GuestMemory.MAXIMUM_RAM_BYTES);
    if (fits && regionEnd > end) end = regionEnd;
    if (!fits && required)
      throw new ScenarioError(
        `${owner}, memory region ${index}: RAM at 0x${region.physStart.toString(16)}, ` +
          `0x${region.size.toString(16)} bytes, lies beyond the 0x${GuestMemory.MAXIMUM_RAM_BYTES.toString(16)} ` +
          "bytes that a machine can have; give it a lower physical address",
      );
  };
  reach(`system "${system.rootCell.name}"`, 0, system.hypervisorMemory, true);
  // what the root cell has beyond 4 GiB is of no use to anybody here: root runs no guest
  for (const [index, region] of system.rootCell.memoryRegions.entries())
    if (region.flags.execute) reach("the root cell", index, region, false);
  for (const cell of cells)
    for (const [index, region] of cell.memoryRegions.entries())
      if (!region.flags.commRegion && (region.flags.execute || region.flags.loadable))
        reach(`cell "${cell.name}"`, index, region, true);
  return Math.max(1, Math.ceil(Number(end) / MiB)) * MiB;
}

/** Logical CPU numbers run from 0 to the highest of the root cell. */
export function cpuCount(system: SystemConfig): number {
  return Math.max(0, ...system.rootCell.cpus) + 1;
}

/** The machine that a set of configurations describes: its RAM, its CPUs, where its chips answer. */
import type { CellConfig, MemoryRegion, SystemConfig } from "../config/types.ts";
import { GuestMemory } from "../engine/guest-memory.ts";
import { ScenarioError } from "./scenario.ts";

const MiB = 1024 * 1024;

export function boardOptions(system: SystemConfig, cells: readonly CellConfig[]) {
  const { platform, pciMmconfigBase, pciMmconfigEndBus } = system;
  const x86 = platform.kind === "x86" ? platform : undefined;
  return {
    ramBytes: ramBytes(system, cells),
    /** Logical CPU numbers run from 0 to the highest of the root cell. */
    cpuCount: Math.max(0, ...system.rootCell.cpus) + 1,
    ...(x86?.pmTimerAddress ? { pmTimerPort: x86.pmTimerAddress } : {}),
    ...(x86?.tscKhz ? { tscHz: x86.tscKhz * 1000 } : {}),
    ...(x86?.apicKhz ? { busHz: x86.apicKhz * 1000 } : {}),
    ...(pciMmconfigBase === 0n
      ? {}
      : { mmconfig: { base: Number(pciMmconfigBase), buses: pciMmconfigEndBus + 1 } }),
  };
}

/**
 * RAM reaches to the end of the highest region that can only be RAM: the hypervisor's own, one that
 * code is executed from, one that images are loaded into. Rounded up to a MiB, because read-only
 * tables of the firmware stand behind the last of them.
 * @throws ScenarioError if a cell's RAM lies beyond what a machine can have
 */
function ramBytes(system: SystemConfig, cells: readonly CellConfig[]): number {
  let end = 0n;
  const limit = ramLimit(system);
  const reach = (owner: string, index: number, region: MemoryRegion, required: boolean): void => {
    const regionEnd = region.physStart + region.size;
    const fits = regionEnd <= BigInt(limit);
    if (fits && regionEnd > end) end = regionEnd;
    if (!fits && required)
      throw new ScenarioError(
        `${owner}, memory region ${index}: RAM at 0x${region.physStart.toString(16)}, ` +
          `0x${region.size.toString(16)} bytes, reaches beyond the first 0x${limit.toString(16)} bytes: ` +
          "there is no RAM; give it a lower physical address",
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

/** Where device memory begins at the latest. */
const DEVICES = 0xb000_0000;

function ramLimit({ pciMmconfigBase }: SystemConfig): number {
  const devices = pciMmconfigBase === 0n ? DEVICES : Math.min(DEVICES, Number(pciMmconfigBase));
  return Math.min(devices, GuestMemory.MAXIMUM_RAM_BYTES);
}

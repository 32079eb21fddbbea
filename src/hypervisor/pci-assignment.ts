/**
 * PCI functions change hands (PCI access moderation, 4.7). Whether a listed
 * function is there at all only shows when it is read.
 */
import type { PciDevice } from "../config/types.ts";
import type { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import { type Refusal, refuse } from "./errno.ts";
import { formatBdf } from "./pci-access.ts";
import { PhysicalPciDevice } from "./pci-device.ts";

export function isPhysical({ type }: PciDevice): boolean {
  return type === "device" || type === "bridge";
}

/** Gives a cell a function of its configuration. */
export function addDevice(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  const { console, remapping, board } = core;
  const bdf = formatBdf(config.bdf);
  console.print(`Adding PCI device ${bdf} to cell "${cell.name}"`);
  const interrupts = Math.max(config.numMsiVectors, config.numMsixVectors);
  if (!remapping.reserve(cell, config.bdf, interrupts))
    return refuse("E2BIG", `no ${interrupts} free interrupt-remapping entries for device ${bdf}`);
  const device = new PhysicalPciDevice(board.pci, cell.config, config);
  if (!cell.isRoot) device.reset();
  cell.pci.devices.push(device);
  return undefined;
}

function removeDevice(core: Core, cell: Cell, device: PhysicalPciDevice): void {
  const { bdf } = device.config;
  core.console.print(`Removing PCI device ${formatBdf(bdf)} from cell "${cell.name}"`);
  core.remapping.free(cell, bdf);
  device.reset();
  cell.pci.devices.splice(cell.pci.devices.indexOf(device), 1);
}

/** A new cell's functions: from root where root has them, else from nobody. */
export function assignDevices(core: Core, cell: Cell): Refusal | undefined {
  for (const config of cell.config.pciDevices.filter(isPhysical)) {
    const owned = core.root.pci.find(config.bdf);
    if (owned !== undefined) removeDevice(core, core.root, owned);
    const refusal = addDevice(core, cell, config);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Back to root what its configuration lists under the same domain and address. */
export function returnDevices(core: Core, cell: Cell): void {
  const { root } = core;
  for (const device of [...cell.pci.devices]) {
    removeDevice(core, cell, device);
    const { domain, bdf } = device.config;
    const listed = root.config.pciDevices.find(
      (each) => isPhysical(each) && each.domain === domain && each.bdf === bdf,
    );
    // its entries were just freed, so there are some to reserve
    if (listed !== undefined && root.pci.find(bdf) === undefined) addDevice(core, root, listed);
  }
}

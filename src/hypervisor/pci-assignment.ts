/**
 * PCI functions change hands (PCI access moderation, 4.7), and virtual ones come and go with their
 * cells. Whether a listed physical function is there at all only shows when it is read.
 */
import { formatBdf } from "../config/builders/devices.ts";
import type { PciDevice } from "../config/types.ts";
import type { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import { DmaMap } from "./dma-map.ts";
import { type Refusal, refuse } from "./errno.ts";
import { connect } from "./ivshmem/connect.ts";
import { IvshmemDevice } from "./ivshmem/device.ts";
import { pagesFor } from "./page-pool.ts";
import { PhysicalPciDevice } from "./pci-device.ts";
import { MSIX_ENTRY_BYTES } from "./pci-msix.ts";

/** Shadows of longer MSI-X tables take pages of their own. */
const EMBEDDED_VECTORS = 16;

export function isPhysical({ type }: PciDevice): boolean {
  return type === "device" || type === "bridge";
}

/** Gives a cell what its configuration lists, each from root where root has it, else from nobody. */
export function assignDevices(core: Core, cell: Cell): Refusal | undefined {
  for (const config of cell.config.pciDevices) {
    const refusal =
      config.type === "ivshmem"
        ? connect(core, cell, config)
        : isPhysical(config)
          ? assignPhysical(core, cell, config)
          : undefined;
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Back to root what its configuration lists under the same domain and address. */
export function returnDevices(core: Core, cell: Cell): void {
  const { root } = core;
  for (const device of cell.pci.functions) {
    if (device instanceof IvshmemDevice) device.disconnect();
    if (!(device instanceof PhysicalPciDevice)) continue;
    removePhysical(core, cell, device);
    const { domain, bdf } = device.config;
    const listed = root.config.pciDevices.find(
      (each) => isPhysical(each) && each.domain === domain && each.bdf === bdf,
    );
    if (listed === undefined || root.pci.find(bdf) !== undefined) continue;
    if (addPhysical(core, root, listed) !== undefined)
      core.console.print("WARNING: Failed to re-assign PCI device to root cell");
  }
}

/**
 * Root has lost CPUs: its devices stop sending interrupts to them. The original stops the CPU that
 * finds such a message; here it is off, and told.
 */
export function recheckRootMessages({ root, console }: Core): void {
  for (const device of root.pci.functions)
    if (device instanceof PhysicalPciDevice)
      for (const capability of device.recheck())
        console.print(
          `FATAL: Unsupported MSI/MSI-X state, device ${formatBdf(device.config.bdf)}, cap ${capability}`,
        );
}

function assignPhysical(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  const owned = cell.isRoot ? undefined : core.root.pci.find(config.bdf);
  if (owned instanceof PhysicalPciDevice) removePhysical(core, core.root, owned);
  return addPhysical(core, cell, config);
}

function addPhysical(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  const { console, remapping, board, release, pool } = core;
  const bdf = formatBdf(config.bdf);
  console.print(`Adding PCI device ${bdf} to cell "${cell.name}"`);
  const pages = tablePages(config);
  const table = pages > 0 ? pool.allocate(pages) : 0;
  if (table === undefined)
    return refuse("ENOMEM", `no ${pages} free pages for the MSI-X vectors of device ${bdf}`);
  const interrupts = Math.max(config.numMsiVectors, config.numMsixVectors);
  if (!remapping.reserve(cell, config.bdf, interrupts)) {
    if (pages > 0) pool.free(table, pages);
    return refuse("E2BIG", `no ${interrupts} free interrupt-remapping entries for device ${bdf}`);
  }
  const device = new PhysicalPciDevice(board, cell, release, config, table);
  if (!cell.isRoot) device.reset();
  board.iommu.assign(config.bdf, new DmaMap(cell));
  cell.pci.add(device);
  return undefined;
}

function removePhysical(core: Core, cell: Cell, device: PhysicalPciDevice): void {
  const { config, tableAddress } = device;
  core.console.print(`Removing PCI device ${formatBdf(config.bdf)} from cell "${cell.name}"`);
  core.remapping.free(cell, config.bdf);
  const pages = tablePages(config);
  if (pages > 0) core.pool.free(tableAddress, pages);
  device.remove();
  core.board.iommu.release(config.bdf);
  cell.pci.remove(device);
}

function tablePages({ numMsixVectors }: PciDevice): number {
  return numMsixVectors > EMBEDDED_VECTORS ? pagesFor(numMsixVectors * MSIX_ENTRY_BYTES) : 0;
}

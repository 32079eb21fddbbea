/** What every cell, root included, is made of at its creation. */

import { ByteWriter } from "../config/codec/bytes.ts";
import { console as consoleCodec } from "../config/codec/elements.ts";
import type { CellConfig } from "../config/types.ts";
import { Cell } from "./cell.ts";
import { CellUarts } from "./cell-uarts.ts";
import { type CommContent, CommRegion } from "./comm-region.ts";
import type { Core } from "./core.ts";
import { hex, type Result, refuse, success } from "./errno.ts";
import { IoapicChip, IoapicView } from "./ioapic-moderation.ts";
import { CellMemoryMap } from "./memory-map.ts";
import { MmioDispatch } from "./mmio-dispatch.ts";
import { pagesFor } from "./page-pool.ts";
import { MmconfigWindow, PciView } from "./pci-access.ts";
import { PortPermissions } from "./port-permissions.ts";
import { regionsOf } from "./regions.ts";
import { TestDevice } from "./test-device.ts";

const MAXIMUM_IRQCHIPS = 85;

/** @param configBytes of the binary configuration, kept as long as the cell is */
export function makeCell(
  core: Core,
  config: CellConfig,
  id: number,
  configBytes: number,
): Result<Cell> {
  const { board, release, system, pool } = core;
  const regions = regionsOf(config);
  if (!regions.ok) return regions;
  const ioapics = openIoapics(core, config);
  if (!ioapics.ok) return ioapics;

  const mmio = new MmioDispatch();
  const mmconfig = Number(system.pciMmconfigBase);
  if (mmconfig !== 0) mmio.register(new MmconfigWindow(mmconfig, system.pciMmconfigEndBus));
  for (const view of ioapics.value) mmio.register(view);

  const configPages = pagesFor(configBytes);
  const pages = pool.allocate(configPages + 1);
  if (pages === undefined)
    return refuse(
      "ENOMEM",
      `no ${configPages + 1} free pages of hypervisor memory for "${config.name}"`,
    );
  const cell = new Cell({
    id,
    config,
    features: core.options.features?.(config.name) ?? "x86-64-v3",
    regions: regions.value,
    comm: new CommRegion(board.memory, pages, release),
    pages: { address: pages, count: configPages + 1 },
    map: new CellMemoryMap(board.memory.ramBytes),
    ports: new PortPermissions(config.ports, core.platform.pmTimerAddress),
    uarts: new CellUarts(board, config, (port, byte) =>
      core.options.uartByte?.(config.name, port, byte),
    ),
    mmio,
    pci: new PciView(config.pciDevices),
    ioapics: ioapics.value,
  });
  if (config.flags.testDevice && id !== 0) {
    const comm = regions.value.find(({ flags }) => flags.commRegion);
    if (comm === undefined) {
      freeCell(core, cell);
      return refuse(
        "EINVAL",
        `cell "${config.name}" wants the test device but has no communication region`,
      );
    }
    mmio.register(new TestDevice(board, cell.comm, comm.virtual));
  }
  return success(cell);
}

/** Gives back what {@link makeCell} took. */
export function freeCell({ pool, remapping }: Core, cell: Cell): void {
  pool.free(cell.pages.address, cell.pages.count);
  remapping.freeAll(cell);
}

/** What the cell's communication region tells it. */
export function commContent(
  { system, platform, frequencies, release }: Core,
  { config }: Cell,
): CommContent {
  const console = new ByteWriter(new Uint8Array(32), config.name);
  if (release.comm.console !== undefined)
    consoleCodec(config.revision).write(console, config.console);
  return {
    consolePermitted: config.flags.virtualConsolePermitted,
    consoleActive: config.flags.virtualConsoleActive,
    console: console.bytes,
    pciMmconfigBase: system.pciMmconfigBase,
    pmTimerAddress: platform.pmTimerAddress,
    cpuCount: config.cpus.length,
    tscKilohertz: frequencies.tscKilohertz,
    apicKilohertz: frequencies.apicKilohertz,
  };
}

function openIoapics(
  { board, chips, release }: Core,
  { name, irqchips }: CellConfig,
): Result<readonly IoapicView[]> {
  if (irqchips.length > MAXIMUM_IRQCHIPS)
    return refuse(
      "ERANGE",
      `cell "${name}" has ${irqchips.length} irqchips, more than ${MAXIMUM_IRQCHIPS}`,
    );
  const views: IoapicView[] = [];
  for (const [index, irqchip] of irqchips.entries()) {
    if (irqchip.pinBase !== 0)
      return refuse(
        "EINVAL",
        `cell "${name}", irqchip ${index}: pin_base ${irqchip.pinBase} must be 0`,
      );
    const address = Number(irqchip.address);
    let chip = chips.get(address);
    if (chip === undefined) {
      const opened = IoapicChip.open(board.memoryBus, address);
      if (!opened.ok)
        return refuse(
          opened.errno,
          `cell "${name}", irqchip ${index} at ${hex(address)}: ${opened.reason}`,
        );
      chip = opened.value;
      chips.set(address, chip);
    }
    views.push(new IoapicView(chip, irqchip, release));
  }
  return success(views);
}

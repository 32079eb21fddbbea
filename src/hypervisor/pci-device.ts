/**
 * A physical PCI function in the hands of a cell (PCI access moderation, 4.2,
 * 4.3, 4.6): its BARs are shadows, and writes reach the hardware only where the
 * configuration or the rules for headers allow.
 */
import type { PciCapability, PciDevice } from "../config/types.ts";
import type { Board } from "../machine/board.ts";
import type { Cell } from "./cell.ts";
import {
  BarShadows,
  BRIDGE_HEADER,
  CAPABILITIES,
  COMMAND,
  COMMAND_INTX_DISABLE,
  COMMAND_MEMORY,
  ENDPOINT_HEADER,
  EXPANSION_ROM,
  headerFate,
  MSI,
  MSIX,
  type PciWidth,
  REJECTED,
  type Rejection,
} from "./pci-header.ts";
import { MsiShadow } from "./pci-msi.ts";
import { MsixShadow } from "./pci-msix.ts";
import type { Release } from "./release.ts";

/** A function as one cell has it. */
export interface CellPciFunction {
  readonly config: PciDevice;
  /** Never refused. @returns unsigned */
  configRead(register: number, width: PciWidth): number;
  /** @returns why the cell may not write that */
  configWrite(register: number, width: PciWidth, value: number): Rejection | undefined;
  /** As at the start of its cell. */
  reset(): void;
}

const CONTROL_DWORD_END = 4;

export class PhysicalPciDevice implements CellPciFunction {
  readonly config: PciDevice;
  /** Pages of hypervisor memory for the shadow of a long MSI-X table, if it has one. */
  readonly tableAddress: number;
  readonly #board: Board;
  readonly #cell: Cell;
  readonly #release: Release;
  readonly #capabilities: readonly PciCapability[];
  readonly #bars: BarShadows;
  readonly #msi: MsiShadow | undefined;
  readonly #msix: MsixShadow | undefined;

  constructor(board: Board, cell: Cell, release: Release, config: PciDevice, tableAddress: number) {
    this.tableAddress = tableAddress;
    this.#board = board;
    this.#cell = cell;
    this.#release = release;
    this.config = config;
    const { capsStart, numCaps, bdf } = config;
    this.#capabilities = cell.config.pciCapabilities.slice(capsStart, capsStart + numCaps);
    this.#bars = new BarShadows(config);
    for (let bar = 0; bar < 6; bar++)
      this.#bars.values[bar] = board.pci.configRead(bdf, BarShadows.register(bar), 4);
    const msi = this.#capabilities.find(({ id }) => id === MSI);
    const msix = this.#capabilities.find(({ id }) => id === MSIX);
    this.#msi = msi && new MsiShadow(board.pci, cell, config, msi);
    this.#msix = msix && new MsixShadow(board, cell, config, msix);
    if (this.#msix !== undefined && this.#msix.range.size > 0) cell.mmio.register(this.#msix);
  }

  configRead(register: number, width: PciWidth): number {
    if (this.config.type !== "bridge") {
      if (BarShadows.has(register)) return this.#bars.read(register, width);
      if (register >= EXPANSION_ROM && register < EXPANSION_ROM + 4) return 0;
    }
    const msi = this.#msi;
    if (msi?.holdsMessage(register - msi.start)) return msi.read(register - msi.start, width);
    return this.#board.pci.configRead(this.config.bdf, register, width);
  }

  configWrite(register: number, width: PciWidth, value: number): Rejection | undefined {
    if (register >= CAPABILITIES) return this.#writeCapability(register, width, value);
    if (this.config.type !== "bridge" && BarShadows.has(register)) {
      this.#bars.write(register, width, value);
      return undefined;
    }
    const rules = this.config.type === "bridge" ? BRIDGE_HEADER : ENDPOINT_HEADER;
    const fate = headerFate(rules, register, width);
    if (fate === "forwarded") this.#forward(register, width, value);
    return fate === "rejected" ? REJECTED : undefined;
  }

  /** Interrupts off, and nothing but that bit in the command register. */
  reset(): void {
    this.#msi?.clear();
    this.#msix?.clear();
    if (this.#release.resetMasksVectors && this.#msix !== undefined) {
      if (this.#release.resetEnablesMemory) this.#forward(COMMAND, 2, COMMAND_MEMORY);
      this.#msix.mask();
    }
    this.#forward(COMMAND, 2, COMMAND_INTX_DISABLE);
    this.#msi?.disable();
    this.#msix?.disable();
  }

  /** Leaves the cell. */
  remove(): void {
    this.reset();
    if (this.#msix !== undefined) this.#cell.mmio.unregister(this.#msix);
  }

  /**
   * After the cell has lost CPUs.
   * @returns configuration offsets of the capabilities with a message that it may no longer send, which is off now
   */
  recheck(): number[] {
    const lost: number[] = [];
    if (this.#msi?.update() === false) lost.push(this.#msi.start);
    if (this.#msix?.update() === false) lost.push(this.#msix.start);
    return lost;
  }

  #writeCapability(register: number, width: PciWidth, value: number): Rejection | undefined {
    const capability = this.#capabilities.find(
      ({ start, len }) => register >= start && register < start + len,
    );
    if (capability === undefined || !capability.writable) return REJECTED;
    const offset = register - capability.start;
    const isControl = offset < CONTROL_DWORD_END;
    if (capability.id === MSI && this.#msi !== undefined) {
      const isMessage = this.#msi.holdsMessage(offset);
      if ((isMessage || isControl) && !this.#msi.write(offset, width, value)) return REJECTED;
      if (isMessage) return undefined;
    }
    if (capability.id === MSIX && isControl && !this.#msix?.writeControl(offset, width, value))
      return REJECTED;
    this.#forward(register, width, value);
    return undefined;
  }

  #forward(register: number, width: PciWidth, value: number): void {
    this.#board.pci.configWrite(this.config.bdf, register, width, value);
  }
}

/**
 * One end of a link through shared memory: a virtual PCI function of a cell. What both versions
 * have in common: configuration space, registers that answer while memory is enabled, MSI-X.
 */
import type { PciDevice } from "../../config/types.ts";
import type { ReadResult } from "../../machine/device.ts";
import type { Cell } from "../cell.ts";
import type { Core } from "../core.ts";
import type { Range } from "../memory-map.ts";
import type { Violation } from "../mmio-dispatch.ts";
import type { CellPciFunction } from "../pci-device.ts";
import {
  COMMAND,
  COMMAND_BUS_MASTER,
  COMMAND_MEMORY,
  type PciWidth,
  REJECTED,
  type Rejection,
} from "../pci-header.ts";
import { BarWindow, type RegisterBlock } from "./bar-window.ts";
import { type ConfigSpace, MSIX_CONTROL_ENABLE, MSIX_CONTROL_MASK_ALL } from "./config-space.ts";
import type { IvshmemLink } from "./link.ts";
import type { IvshmemMsix } from "./msix.ts";

/** A device's place in the system. */
export interface IvshmemPlace {
  readonly core: Core;
  readonly cell: Cell;
  readonly config: PciDevice;
  readonly link: IvshmemLink;
  /** Number of this end. */
  readonly id: number;
}

export abstract class IvshmemDevice implements CellPciFunction, RegisterBlock {
  readonly core: Core;
  readonly cell: Cell;
  readonly config: PciDevice;
  readonly link: IvshmemLink;
  readonly id: number;
  /** Takes the interrupts in place of MSI-X: how an application at root drives the device. */
  receiver: ((vector: number) => void) | undefined = undefined;

  protected abstract readonly space: ConfigSpace;
  protected abstract readonly msix: IvshmemMsix;
  /** Offset of the MSI-X capability. */
  protected abstract readonly msixCapability: number;
  #windows: readonly BarWindow[] = [];

  /** Own state as the peers see it. */
  abstract readonly state: number;
  /** How many vectors a doorbell of this end may name. */
  abstract readonly vectors: number;

  constructor({ core, cell, config, link, id }: IvshmemPlace) {
    this.core = core;
    this.cell = cell;
    this.config = config;
    this.link = link;
    this.id = id;
  }

  /** Registers (1.4, 2.4). */
  abstract read(offset: number, result: ReadResult): Violation | undefined;
  abstract write(offset: number, value: number): Violation | undefined;
  /** As by a write to the state register. */
  abstract setState(value: number): void;
  /** As by a write to the doorbell register. What nobody can receive is ignored. */
  abstract ring(target: number, vector: number): void;
  /** An end of the link, perhaps this one, wants it interrupted. */
  abstract interrupt(vector: number): void;
  /** Where the register and the MSI-X BAR are at the moment. */
  protected abstract bars(): { readonly registers: Range; readonly msix: Range };
  protected abstract resetRegisters(): void;
  /** The last it says to its peers. */
  protected abstract leave(): void;

  configRead(register: number, width: PciWidth): number {
    return this.space.read(register, width);
  }

  configWrite(register: number, width: PciWidth, value: number): Rejection | undefined {
    if (!this.space.write(register, width, value)) return REJECTED;
    return this.#follow();
  }

  reset(): void {
    this.#unmap();
    this.space.reset();
    this.msix.reset();
    this.resetRegisters();
  }

  /** The cell is destroyed: the end leaves its link, the last one frees it. */
  disconnect(): void {
    const { links, pool } = this.core;
    this.#unmap();
    this.msix.reset();
    this.receiver = undefined;
    this.link.ends[this.id] = undefined;
    this.cell.pci.remove(this);
    this.leave();
    if (this.link.connected.length > 0) return;
    links.delete(this.link.bdf);
    pool.free(this.link.page, 1);
  }

  /** The end's own interrupt, if whoever drives it has programmed one. */
  protected raise(vector: number): void {
    if (this.receiver === undefined) this.msix.raise(vector);
    else if (vector < this.config.numMsixVectors) this.receiver(vector);
  }

  /** Makes effective what configuration space says now. */
  #follow(): Rejection | undefined {
    const command = this.space.dword(COMMAND);
    const memory = (command & COMMAND_MEMORY) !== 0;
    if (memory !== this.#windows.length > 0) {
      if (memory) this.#map();
      else this.#unmap();
    }
    const control =
      this.space.dword(this.msixCapability) & (MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
    const violation = this.msix.enable(
      control >>> 0 === MSIX_CONTROL_ENABLE && (command & COMMAND_BUS_MASTER) !== 0,
    );
    return violation === undefined ? undefined : [violation];
  }

  /** Where the BARs are now the registers stay, until memory is disabled. */
  #map(): void {
    const { registers, msix } = this.bars();
    this.#windows = [new BarWindow(registers, this), new BarWindow(msix, this.msix)];
    for (const window of this.#windows) this.cell.mmio.register(window);
  }

  #unmap(): void {
    for (const window of this.#windows) this.cell.mmio.unregister(window);
    this.#windows = [];
  }
}

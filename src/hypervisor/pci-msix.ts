/**
 * MSI-X of a physical function in the hands of a cell (PCI access moderation, 4.4): the table is
 * intercepted, and the function is told only messages that the cell may send.
 */
import { formatBdf } from "../config/builders/devices.ts";
import type { PciCapability, PciDevice } from "../config/types.ts";
import type { Width } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { ReadResult } from "../machine/device.ts";
import type { Cell } from "./cell.ts";
import type { Cpu } from "./cpu.ts";
import { checkMessage, nativeMessage } from "./interrupt-message.ts";
import type { Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import { merge, type PciWidth } from "./pci-header.ts";
import { physicalRead, physicalWrite } from "./physical-access.ts";

const CONTROL = 2;
const CONTROL_ENABLE = 0x8000_0000;
const CONTROL_MASK_ALL = 0x4000_0000;

export const MSIX_ENTRY_BYTES = 16;
const ADDRESS = 0;
const UPPER_ADDRESS = 1;
const DATA = 2;
const VECTOR_CONTROL = 3;
const MASKED = 1;

/** An access that no rule for MSI-X tables allows, of physical and of virtual functions. */
export function invalidTableAccess(bdf: number): Violation {
  return `FATAL: Invalid PCI MSI-X table/PBA access, device ${formatBdf(bdf)}`;
}

export class MsixShadow implements MmioHandler {
  readonly start: number;
  readonly range: Range;
  readonly behindMemory = true;
  readonly #board: Board;
  readonly #cell: Cell;
  readonly #bdf: number;
  readonly #vectors: number;
  readonly #table: number;
  /** First dword of the capability, with the control word in its upper half. */
  #control: number;
  /** Four dwords a vector, as the cell wrote them. */
  readonly #entries: Uint32Array;

  /** Takes over what the hardware holds. */
  constructor(board: Board, cell: Cell, config: PciDevice, { start }: PciCapability) {
    this.#board = board;
    this.#cell = cell;
    this.start = start;
    this.#bdf = config.bdf;
    this.#vectors = config.numMsixVectors;
    this.#table = Number(config.msixAddress);
    this.range = { start: this.#table, size: config.msixRegionSize };
    this.#control = board.pci.configRead(config.bdf, start, 4);
    this.#entries = new Uint32Array(4 * this.#vectors);
    const result: ReadResult = { lo: 0, hi: 0 };
    for (let dword = 0; dword < this.#entries.length; dword++) {
      physicalRead(board, this.#table + 4 * dword, 4, result);
      this.#entries[dword] = result.lo;
    }
  }

  read(_cpu: Cpu, offset: number, width: Width, result: ReadResult): Violation | undefined {
    if (offset % 4 !== 0) return invalidTableAccess(this.#bdf);
    const dword = offset / 4;
    if (dword < this.#entries.length && dword % 4 !== VECTOR_CONTROL) {
      result.lo = this.#entries[dword];
      result.hi = 0;
    } else physicalRead(this.#board, this.#table + offset, width, result);
    return undefined;
  }

  write(_cpu: Cpu, offset: number, _width: Width, lo: number): Violation | undefined {
    const dword = offset / 4;
    if (offset % 4 !== 0 || dword >= this.#entries.length) return invalidTableAccess(this.#bdf);
    this.#entries[dword] = lo;
    if (!this.#updateVector(dword >> 2)) return invalidTableAccess(this.#bdf);
    if (dword % 4 === VECTOR_CONTROL) this.#writeTable(dword, lo);
    return undefined;
  }

  /** Of the capability's first dword. @returns false if a vector would become one the cell may not have */
  writeControl(offset: number, width: PciWidth, value: number): boolean {
    this.#control = merge(this.#control, offset, width, value);
    return this.update();
  }

  /** Gives the function the messages of all vectors that are on. */
  update(): boolean {
    let acceptable = true;
    for (let vector = 0; vector < this.#vectors; vector++)
      if (!this.#updateVector(vector)) acceptable = false;
    return acceptable;
  }

  /** All vectors masked. */
  clear(): void {
    this.#control = 0;
    this.#entries.fill(0);
    for (let vector = 0; vector < this.#vectors; vector++)
      this.#entries[4 * vector + VECTOR_CONTROL] = MASKED;
  }

  /** All vectors masked, in hardware; its memory must be enabled to be reached. */
  mask(): void {
    for (let vector = 0; vector < this.#vectors; vector++)
      this.#writeTable(4 * vector + VECTOR_CONTROL, MASKED);
  }

  /** Off, in hardware. */
  disable(): void {
    this.#board.pci.configWrite(this.#bdf, this.start + CONTROL, 2, 0);
  }

  #updateVector(vector: number): boolean {
    const first = 4 * vector;
    const on = (this.#control & (CONTROL_ENABLE | CONTROL_MASK_ALL)) >>> 0 === CONTROL_ENABLE;
    if (!on || (this.#entries[first + VECTOR_CONTROL] & MASKED) !== 0) return true;
    const message = nativeMessage(this.#entries[first + ADDRESS], this.#entries[first + DATA]);
    const acceptable = message === undefined || checkMessage(this.#cell, message) === undefined;
    const sent = message !== undefined && acceptable;
    for (const dword of [ADDRESS, DATA])
      this.#writeTable(first + dword, sent ? this.#entries[first + dword] : 0);
    this.#writeTable(first + UPPER_ADDRESS, 0);
    return acceptable;
  }

  #writeTable(dword: number, value: number): void {
    physicalWrite(this.#board, this.#table + 4 * dword, 4, value, 0);
  }
}

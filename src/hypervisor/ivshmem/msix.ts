/**
 * The MSI-X table of a shared-memory device (1.5, 2.5), and the interrupts that it makes. Nothing
 * is latched: what cannot be delivered is lost, and the pending bits read 0.
 */
import { formatBdf } from "../../config/builders/devices.ts";
import type { ReadResult } from "../../machine/device.ts";
import type { Cell } from "../cell.ts";
import type { Core } from "../core.ts";
import {
  checkDestination,
  FIXED,
  type InterruptMessage,
  LOWEST_PRIORITY,
  nativeMessage,
} from "../interrupt-message.ts";
import type { Violation } from "../mmio-dispatch.ts";
import { invalidTableAccess, MSIX_ENTRY_BYTES } from "../pci-msix.ts";
import type { RegisterBlock } from "./bar-window.ts";

const ENTRY_DWORDS = MSIX_ENTRY_BYTES / 4;
const DATA = 2;
const VECTOR_CONTROL = 3;
const MASKED = 1;

export interface MsixShape {
  readonly bdf: number;
  readonly vectors: number;
  /** Offset of the pending bits. */
  readonly pending: number;
}

export class IvshmemMsix implements RegisterBlock {
  readonly #core: Core;
  readonly #cell: Cell;
  readonly #shape: MsixShape;
  readonly #entries: Uint32Array;
  /** By vector: what it sends; undefined while it is off or masked, or its message is none. */
  readonly #messages: (InterruptMessage | undefined)[];
  #enabled = false;

  constructor(core: Core, cell: Cell, shape: MsixShape) {
    this.#core = core;
    this.#cell = cell;
    this.#shape = shape;
    this.#entries = new Uint32Array(ENTRY_DWORDS * shape.vectors);
    this.#messages = Array.from({ length: shape.vectors }, () => undefined);
    this.reset();
  }

  reset(): void {
    this.#entries.fill(0);
    for (let vector = 0; vector < this.#shape.vectors; vector++)
      this.#entries[ENTRY_DWORDS * vector + VECTOR_CONTROL] = MASKED;
    this.#messages.fill(undefined);
    this.#enabled = false;
  }

  read(offset: number, result: ReadResult): Violation | undefined {
    if (offset % 4 !== 0) return invalidTableAccess(this.#shape.bdf);
    if (offset >= this.#shape.pending) return undefined;
    if (offset / 4 >= this.#entries.length) return invalidTableAccess(this.#shape.bdf);
    result.lo = this.#entries[offset / 4];
    return undefined;
  }

  write(offset: number, value: number): Violation | undefined {
    const dword = offset / 4;
    if (offset % 4 !== 0 || dword >= this.#entries.length)
      return invalidTableAccess(this.#shape.bdf);
    this.#entries[dword] = value;
    return this.#update(Math.floor(dword / ENTRY_DWORDS));
  }

  /**
   * Switches all vectors at once.
   * @param enabled MSI-X is enabled, not masked as a whole, and the device is bus master
   */
  enable(enabled: boolean): Violation | undefined {
    if (enabled === this.#enabled) return undefined;
    this.#enabled = enabled;
    for (let vector = 0; vector < this.#shape.vectors; vector++) {
      const violation = this.#update(vector);
      if (violation !== undefined) return violation;
    }
    return undefined;
  }

  /** Sends a vector's message, if it has one. */
  raise(vector: number): void {
    const message = this.#messages[vector];
    if (message === undefined) return;
    const { cpus, board } = this.#core;
    const { deliveryMode, logical, destination } = message;
    const isLowest = deliveryMode === LOWEST_PRIORITY;
    const command = message.vector | ((isLowest ? FIXED : deliveryMode) << 8);
    if (!logical) {
      // root's CPUs come and go
      if (cpus[destination].cell === this.#cell) board.localApics[destination].receive(command);
      return;
    }
    for (const { index } of this.#cell.cpus) {
      const lapic = board.localApics[index];
      if (!lapic.matches(destination, true)) continue;
      lapic.receive(command);
      if (isLowest) return;
    }
  }

  /** A destination outside the cell is told where the message becomes effective. */
  #update(vector: number): Violation | undefined {
    const first = ENTRY_DWORDS * vector;
    const on = this.#enabled && (this.#entries[first + VECTOR_CONTROL] & MASKED) === 0;
    const message = on
      ? nativeMessage(this.#entries[first], this.#entries[first + DATA])
      : undefined;
    const leaves = message !== undefined && checkDestination(this.#cell, message) !== undefined;
    this.#messages[vector] = leaves ? undefined : message;
    return leaves
      ? `FATAL: ivshmem MSI-X target outside of cell "${this.#cell.name}" device ${formatBdf(this.#shape.bdf)}`
      : undefined;
  }
}

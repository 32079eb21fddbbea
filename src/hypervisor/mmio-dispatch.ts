/**
 * Accesses outside a cell's mapped memory: which handler answers them. A
 * handler returns nothing if it did the access, or the FATAL text of the rule
 * that the access broke.
 */
import type { Width } from "../engine/vcpu.ts";
import type { ReadResult } from "../machine/device.ts";
import type { Cpu } from "./cpu.ts";
import { hex16 } from "./failure-report.ts";
import type { Range } from "./memory-map.ts";

/** FATAL lines of a broken rule, separated by line feeds. */
export type Violation = string;

export interface MmioHandler {
  /** Guest-physical. */
  readonly range: Range;
  /**
   * Stands behind the cell's memory: what is mapped at the same place stays mapped, and no access
   * to it ever comes here. True for what guests place themselves, and for parts of devices.
   */
  readonly behindMemory?: boolean;
  /** @param offset bytes from the start of the range; the whole access lies inside */
  read(cpu: Cpu, offset: number, width: Width, result: ReadResult): Violation | undefined;
  write(cpu: Cpu, offset: number, width: Width, lo: number, hi: number): Violation | undefined;
}

/** A handler with its range beside it: objects of one shape, whatever the handlers are. */
export interface Registration {
  readonly start: number;
  readonly end: number;
  readonly handler: MmioHandler;
}

export class MmioDispatch {
  /** In order of registration: the first that holds an access answers it. */
  readonly #registrations: Registration[] = [];

  get handlers(): readonly MmioHandler[] {
    return this.#registrations.map(({ handler }) => handler);
  }

  register(handler: MmioHandler): void {
    const { start, size } = handler.range;
    this.#registrations.push({ start, end: start + size, handler });
  }

  unregister(handler: MmioHandler): void {
    const index = this.#registrations.findIndex((one) => one.handler === handler);
    if (index >= 0) this.#registrations.splice(index, 1);
  }

  /** The handler whose range holds the whole access. */
  find(address: number, width: number): Registration | undefined {
    const all = this.#registrations;
    for (let n = 0; n < all.length; n++) {
      const one = all[n];
      if (address >= one.start && address + width <= one.end) return one;
    }
    return undefined;
  }
}

/** An access that neither memory nor a handler takes. Size 0: an instruction fetch, never decoded. */
export function invalidAccess(
  direction: "read" | "write",
  address: number,
  size: number,
): Violation {
  return `FATAL: Invalid MMIO/RAM ${direction}, addr: 0x${hex16(address)} size: ${size}`;
}

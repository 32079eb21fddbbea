/**
 * Base address registers (PCI 3.0, 6.2.5.1): where a function's registers answer, on the memory bus
 * or among the ports, while its command register lets it.
 */

import type { MemoryDevice, PortDevice } from "../device.ts";
import type { MemoryBus } from "../memory-bus.ts";
import type { PortBus } from "../port-bus.ts";
import type { RegisterBytes } from "../register-bytes.ts";

/** @property size bytes, a power of two */
export type Bar =
  | { readonly kind: "memory"; readonly size: number; readonly device: MemoryDevice }
  | { readonly kind: "io"; readonly size: number; readonly device: PortDevice };

const BARS = 0x10;
const IO_SPACE = 1;

export class BaseAddress {
  readonly #name: string;
  readonly #bar: Bar;
  readonly #register: number;
  readonly #config: RegisterBytes;
  readonly #memoryBus: MemoryBus;
  readonly #portBus: PortBus;
  /** Where the registers answer now. */
  #claimed: number | undefined = undefined;

  /**
   * @param config configuration space, in which register `index` is defined
   * @param address what firmware put there; 0: nothing
   * @throws RangeError if that is not a multiple of the size, does not fit the register, or is taken
   */
  constructor(
    name: string,
    bar: Bar,
    index: number,
    address: number,
    config: RegisterBytes,
    buses: { readonly memoryBus: MemoryBus; readonly portBus: PortBus },
  ) {
    const limit = bar.kind === "io" ? 0x10000 : 2 ** 32;
    if (address % bar.size !== 0 || address < 0 || address + bar.size > limit)
      throw new RangeError(
        `${name}: BAR ${index} at 0x${address.toString(16)} must be a multiple of its size 0x${bar.size.toString(16)} below 0x${limit.toString(16)}`,
      );
    this.#name = `${name} BAR ${index}`;
    this.#bar = bar;
    this.#register = BARS + 4 * index;
    this.#config = config;
    this.#memoryBus = buses.memoryBus;
    this.#portBus = buses.portBus;
    const space = bar.kind === "io" ? IO_SPACE : 0;
    config.define(this.#register, 4, { reset: address | space, writable: ~(bar.size - 1) });
    if (address !== 0) {
      this.#claim(address);
      this.#claimed = address;
    }
  }

  get kind(): Bar["kind"] {
    return this.#bar.kind;
  }

  /**
   * Answer at what the register says, or nowhere. An address that is 0, or taken by another chip,
   * is nowhere: who came first keeps it.
   */
  decode(enabled: boolean): void {
    const { size } = this.#bar;
    const address = (this.#config.get(this.#register, 4) & ~(size - 1)) >>> 0;
    const wanted = enabled && address !== 0 ? address : undefined;
    if (wanted === this.#claimed) return;
    if (this.#claimed !== undefined) this.#release(this.#claimed);
    this.#claimed = wanted !== undefined && this.#isFree(wanted) ? wanted : undefined;
    if (this.#claimed !== undefined) this.#claim(this.#claimed);
  }

  #isFree(address: number): boolean {
    const { kind, size } = this.#bar;
    return kind === "memory"
      ? this.#memoryBus.isFree(address, size)
      : this.#portBus.isFree(address, size);
  }

  #claim(address: number): void {
    const bar = this.#bar;
    if (bar.kind === "memory") this.#memoryBus.claim(this.#name, address, bar.size, bar.device);
    else this.#portBus.claim(this.#name, address, bar.size, bar.device, 4);
  }

  #release(address: number): void {
    if (this.#bar.kind === "memory") this.#memoryBus.release(address);
    else this.#portBus.release(address);
  }
}

/** Registers by I/O ports (13.3): the offset goes to IOADDR, the data through IODATA. */

import type { MemoryDevice, PortDevice, PortWidth, Stateful } from "../device.ts";

/** Ports of the BAR; only the first eight do anything. */
export const IO_PORTS = 0x40;

const ADDRESS = 0;
const DATA = 4;

export class IoWindow implements PortDevice, Stateful<number> {
  readonly #registers: MemoryDevice;
  readonly #size: number;
  readonly #result = { lo: 0, hi: 0 };
  #address = 0;

  /** @param size bytes of the register space behind it */
  constructor(registers: MemoryDevice, size: number) {
    this.#registers = registers;
    this.#size = size;
  }

  portRead(port: number, width: PortWidth): number {
    const offset = port & (IO_PORTS - 1);
    if (width !== 4) return 0;
    if (offset === ADDRESS) return this.#address;
    if (offset !== DATA || this.#address >= this.#size) return 0;
    this.#registers.memoryRead(this.#address, 4, this.#result);
    return this.#result.lo;
  }

  portWrite(port: number, width: PortWidth, value: number): void {
    const offset = port & (IO_PORTS - 1);
    if (width !== 4) return;
    if (offset === ADDRESS) this.#address = (value & ~3) >>> 0;
    else if (offset === DATA && this.#address < this.#size)
      this.#registers.memoryWrite(this.#address, 4, value, 0);
  }

  save(): number {
    return this.#address;
  }

  load(state: number): void {
    this.#address = state;
  }
}

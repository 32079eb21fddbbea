/**
 * PCI host bridge: configuration mechanism #1 (PCI 3.0, 3.2.2.3.2) at ports
 * 0xcf8..0xcff, and the memory-mapped mechanism of PCI Express (7.2.2).
 * Functions that are not there read all ones.
 */

import type { Width } from "../engine/vcpu.ts";
import type { MemoryDevice, PortDevice, PortWidth, ReadResult, Stateful } from "./device.ts";
import { allOnes } from "./memory-bus.ts";
import { RST_CNT } from "./reset-port.ts";

/** One function's configuration space. Accesses are naturally aligned. */
export interface PciFunction {
  /** @param register byte offset, 0..0xfff @returns unsigned value of `width` bytes */
  configRead(register: number, width: PortWidth): number;
  configWrite(register: number, width: PortWidth, value: number): void;
}

/** Bus, device and function as in a requester id: bus << 8 | device << 3 | function. */
export type Bdf = number;

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const ENABLE = 0x80000000;
/** Reserved bits of CONFIG_ADDRESS read 0. */
const ADDRESS_BITS = 0x80fffffc;
export const BYTES_PER_BUS = 1 << 20;

export class PciHost implements PortDevice, MemoryDevice, Stateful<number> {
  readonly #functions = new Map<Bdf, PciFunction>();
  readonly #resetPort: PortDevice;
  #configAddress = 0;

  /** @param resetPort answers byte accesses to 0xcf9, which lies inside CONFIG_ADDRESS */
  constructor(resetPort: PortDevice) {
    this.#resetPort = resetPort;
  }

  /** @throws RangeError if there is a function already */
  plug(bdf: Bdf, pciFunction: PciFunction): void {
    if (!Number.isInteger(bdf) || bdf < 0 || bdf > 0xffff)
      throw new RangeError(`PCI function ${bdf}: must be 0..0xffff`);
    if (this.#functions.has(bdf))
      throw new RangeError(`PCI function 0x${bdf.toString(16)} is plugged already`);
    this.#functions.set(bdf, pciFunction);
  }

  unplug(bdf: Bdf): void {
    this.#functions.delete(bdf);
  }

  portRead(port: number, width: PortWidth): number {
    if (port >= CONFIG_DATA) {
      if ((this.#configAddress & ENABLE) === 0) return ones(width);
      return this.configRead(this.#bdf, this.#register | (port & 3), width);
    }
    // only a full double word is CONFIG_ADDRESS; anything narrower passes by it
    if (width === 4) return port === CONFIG_ADDRESS ? this.#configAddress : ones(width);
    return port === RST_CNT ? this.#resetPort.portRead(port, 1) : ones(width);
  }

  portWrite(port: number, width: PortWidth, value: number): void {
    if (port >= CONFIG_DATA) {
      if ((this.#configAddress & ENABLE) !== 0)
        this.configWrite(this.#bdf, this.#register | (port & 3), width, value);
    } else if (width === 4) {
      if (port === CONFIG_ADDRESS) this.#configAddress = (value & ADDRESS_BITS) >>> 0;
    } else if (port === RST_CNT) this.#resetPort.portWrite(port, 1, value & 0xff);
  }

  /** By requester id and byte offset; accesses across a double word read all ones. */
  configRead(bdf: Bdf, register: number, width: PortWidth): number {
    const pciFunction = this.#functions.get(bdf);
    if (pciFunction === undefined || (register & (width - 1)) !== 0) return ones(width);
    return pciFunction.configRead(register, width);
  }

  configWrite(bdf: Bdf, register: number, width: PortWidth, value: number): void {
    if ((register & (width - 1)) === 0)
      this.#functions.get(bdf)?.configWrite(register, width, value);
  }

  /** Offset within the memory-mapped window: requester id << 12 | register. */
  memoryRead(offset: number, width: Width, result: ReadResult): void {
    const bdf = offset >>> 12;
    const register = offset & 0xfff;
    if (!this.#functions.has(bdf)) allOnes(width, result);
    else if (width === 8) {
      result.lo = this.configRead(bdf, register, 4);
      result.hi = this.configRead(bdf, register + 4, 4);
    } else {
      result.lo = this.configRead(bdf, register, width);
      result.hi = 0;
    }
  }

  memoryWrite(offset: number, width: Width, lo: number, hi: number): void {
    const bdf = offset >>> 12;
    const register = offset & 0xfff;
    if (width === 8) {
      this.configWrite(bdf, register, 4, lo);
      this.configWrite(bdf, register + 4, 4, hi);
    } else this.configWrite(bdf, register, width, lo);
  }

  /** CONFIG_ADDRESS; plugged functions save themselves. */
  save(): number {
    return this.#configAddress;
  }

  load(state: number): void {
    this.#configAddress = state;
  }

  get #bdf(): Bdf {
    return (this.#configAddress >>> 8) & 0xffff;
  }

  get #register(): number {
    return this.#configAddress & 0xfc;
  }
}

function ones(width: PortWidth): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
}

/**
 * The device that tests of a CPU want beside it, QEMU's pc-testdev: four ports that remember what
 * is written, a port that makes the host forget its translations, a port for each interrupt line,
 * and a window of memory that is not RAM.
 */

import type { Width } from "../engine/vcpu.ts";
import type {
  InterruptLine,
  MemoryDevice,
  PortDevice,
  PortWidth,
  ReadResult,
  Stateful,
} from "./device.ts";
import type { MemoryBus } from "./memory-bus.ts";
import type { PortBus } from "./port-bus.ts";

/** Four bytes of storage, accessed in any width. */
const STORAGE = 0xe0;
/** A write of a physical address here drops the host's translations of its page. */
const FLUSH = 0xe4;
/** The same storage, of which one byte is accessed at a time whatever the instruction says. */
const STORAGE_BYTES = 0xe8;
/** One port an interrupt line: writing sets its level. */
const LINES = 0x2000;
const WINDOW_ADDRESS = 0xff00_0000;
const WINDOW_BYTES = 0x1_0000;

export interface PcTestdevState {
  storage: Uint8Array;
  window: Uint8Array;
}

export class PcTestdev implements PortDevice, MemoryDevice, Stateful<PcTestdevState> {
  readonly #lines: readonly InterruptLine[];
  readonly #flush: () => void;
  readonly #storage = new DataView(new ArrayBuffer(4));
  readonly #window = new DataView(new ArrayBuffer(WINDOW_BYTES));

  /**
   * @param lines the interrupt lines that the ports from 0x2000 on set
   * @param flush forgets translations of guest-physical memory
   */
  constructor(lines: readonly InterruptLine[], flush: () => void) {
    this.#lines = lines;
    this.#flush = flush;
  }

  /** @throws RangeError if another chip is there */
  plugInto(portBus: PortBus, memoryBus: MemoryBus): void {
    portBus.claim("pc-testdev storage", STORAGE, 4, this, 4);
    portBus.claim("pc-testdev flush", FLUSH, 4, this, 4);
    portBus.claim("pc-testdev storage by bytes", STORAGE_BYTES, 4, this, 1);
    portBus.claim("pc-testdev interrupt lines", LINES, this.#lines.length, this, 1);
    memoryBus.claim("pc-testdev window", WINDOW_ADDRESS, WINDOW_BYTES, this);
  }

  portRead(port: number, width: PortWidth): number {
    if (port >= LINES || (port & ~3) === FLUSH) return 0;
    const offset = port & 3;
    if (width === 4) return this.#storage.getUint32(offset, true);
    return width === 2 ? this.#storage.getUint16(offset, true) : this.#storage.getUint8(offset);
  }

  portWrite(port: number, width: PortWidth, value: number): void {
    if (port >= LINES) this.#lines[port - LINES].set(value !== 0);
    else if ((port & ~3) === FLUSH) this.#flush();
    else if (width === 4) this.#storage.setUint32(port & 3, value, true);
    else if (width === 2) this.#storage.setUint16(port & 3, value, true);
    else this.#storage.setUint8(port & 3, value);
  }

  memoryRead(offset: number, width: Width, result: ReadResult): void {
    const window = this.#window;
    result.hi = width === 8 ? window.getUint32(offset + 4, true) : 0;
    if (width >= 4) result.lo = window.getUint32(offset, true);
    else result.lo = width === 2 ? window.getUint16(offset, true) : window.getUint8(offset);
  }

  memoryWrite(offset: number, width: Width, lo: number, hi: number): void {
    const window = this.#window;
    if (width === 8) window.setUint32(offset + 4, hi, true);
    if (width >= 4) window.setUint32(offset, lo, true);
    else if (width === 2) window.setUint16(offset, lo, true);
    else window.setUint8(offset, lo);
  }

  save(): PcTestdevState {
    const bytes = ({ buffer }: DataView) => new Uint8Array(buffer).slice();
    return { storage: bytes(this.#storage), window: bytes(this.#window) };
  }

  load({ storage, window }: PcTestdevState): void {
    new Uint8Array(this.#storage.buffer).set(storage);
    new Uint8Array(this.#window.buffer).set(window);
  }
}

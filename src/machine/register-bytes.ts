/**
 * Registers that lie side by side as bytes and may be accessed in any width: PCI configuration
 * space, the registers of an HD Audio controller. Each bit is read-only, writable, or cleared by
 * writing 1 to it.
 */

import type { PortWidth, Stateful } from "./device.ts";

export interface RegisterBits {
  /** Value after power-on. */
  readonly reset?: number;
  /** Bits that a write sets. */
  readonly writable?: number;
  /** Bits that writing 1 clears. */
  readonly clearable?: number;
}

export class RegisterBytes implements Stateful<Uint8Array> {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
    this.#writable = new Uint8Array(size);
    this.#clearable = new Uint8Array(size);
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** Give a register its value and the nature of its bits. Undescribed ones read 0 and stay so. */
  define(offset: number, width: PortWidth, bits: RegisterBits): void {
    this.set(offset, width, bits.reset ?? 0);
    for (let n = 0; n < width; n++) {
      this.#writable[offset + n] = (bits.writable ?? 0) >>> (8 * n);
      this.#clearable[offset + n] = (bits.clearable ?? 0) >>> (8 * n);
    }
  }

  /** As a reader outside and the chip itself see it. @returns unsigned */
  get(offset: number, width: PortWidth): number {
    if (width === 4) return this.#view.getUint32(offset, true);
    return width === 2 ? this.#view.getUint16(offset, true) : this.#bytes[offset];
  }

  /** The chip itself changes a register: every bit. */
  set(offset: number, width: PortWidth, value: number): void {
    if (width === 4) this.#view.setUint32(offset, value, true);
    else if (width === 2) this.#view.setUint16(offset, value, true);
    else this.#bytes[offset] = value;
  }

  /** A write from outside: only bits that allow it. */
  write(offset: number, width: PortWidth, value: number): void {
    for (let n = 0; n < width; n++) {
      const at = offset + n;
      const byte = (value >>> (8 * n)) & 0xff;
      const writable = this.#writable[at];
      const kept = this.#bytes[at] & ~writable & ~(byte & this.#clearable[at]);
      this.#bytes[at] = kept | (byte & writable);
    }
  }

  save(): Uint8Array {
    return this.#bytes.slice();
  }

  load(state: Uint8Array): void {
    this.#bytes.set(state);
  }
}

/** Whether an access touches any byte of a register. */
export function touches(
  offset: number,
  width: number,
  register: number,
  registerWidth: number,
): boolean {
  return offset < register + registerWidth && register < offset + width;
}

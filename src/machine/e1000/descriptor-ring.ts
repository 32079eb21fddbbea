/**
 * A ring of 16-byte descriptors in memory (3.2.6 and 3.4): base, length, head and tail are five
 * registers in a row, the same for receiving and sending. The controller owns what lies from head up
 * to the tail, without it.
 */

import type { PciConfiguration } from "../pci/function.ts";

const DESCRIPTOR_BYTES = 16;

/** Registers behind the first. */
const BASE_HIGH = 1;
const LENGTH = 2;
const HEAD = 4;
const TAIL = 6;

const WRITABLE: readonly number[] = [
  0xfffffff0, 0xffffffff, 0x000fff80, 0, 0x0000ffff, 0, 0x0000ffff,
];

/** Number of registers that a ring takes. */
export const RING_REGISTERS = WRITABLE.length;

export class DescriptorRing {
  /** The descriptor at the head after {@link fetch}; write back from here. */
  readonly descriptor = new Uint8Array(DESCRIPTOR_BYTES);
  readonly view = new DataView(this.descriptor.buffer);
  readonly #registers: Uint32Array;
  readonly #first: number;
  readonly #pci: PciConfiguration;

  /** @param first number of the register with the low part of the base */
  constructor(registers: Uint32Array, first: number, pci: PciConfiguration) {
    this.#registers = registers;
    this.#first = first;
    this.#pci = pci;
  }

  owns(register: number): boolean {
    return register >= this.#first && register < this.#first + RING_REGISTERS;
  }

  isTail(register: number): boolean {
    return register === this.#first + TAIL;
  }

  write(register: number, value: number): void {
    this.#registers[register] = value & WRITABLE[register - this.#first];
  }

  /** Descriptors of the ring. */
  get count(): number {
    return this.#registers[this.#first + LENGTH] / DESCRIPTOR_BYTES;
  }

  /** Descriptors that the controller owns; none if head or tail is beyond the ring. */
  get owned(): number {
    const { count } = this;
    const head = this.#registers[this.#first + HEAD];
    const tail = this.#registers[this.#first + TAIL];
    if (head >= count || tail >= count) return 0;
    return tail >= head ? tail - head : tail - head + count;
  }

  /** Buffer address of the descriptor; beyond 2^53 not exact, and nowhere in memory. */
  get buffer(): number {
    return this.view.getUint32(4, true) * 2 ** 32 + this.view.getUint32(0, true);
  }

  /** Read the descriptor at the head. @returns false if it cannot be reached */
  fetch(): boolean {
    return this.#pci.dmaRead(this.#headAddress, this.descriptor);
  }

  /** Write the descriptor at the head back. */
  writeBack(): void {
    this.#pci.dmaWrite(this.#headAddress, this.descriptor);
  }

  /** Hand the descriptor at the head to software. */
  advance(): void {
    const head = this.#registers[this.#first + HEAD] + 1;
    this.#registers[this.#first + HEAD] = head >= this.count ? 0 : head;
  }

  get #headAddress(): number {
    const base = this.#registers[this.#first + BASE_HIGH] * 2 ** 32 + this.#registers[this.#first];
    return base + this.#registers[this.#first + HEAD] * DESCRIPTOR_BYTES;
  }
}

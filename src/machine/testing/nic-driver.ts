/** Drives an 82540EM as the simplest of drivers would, for tests: legacy descriptors, polling. */

import type { Bdf } from "../pci-host.ts";
import type { PciSystem } from "./pci-system.ts";

export const RING_LENGTH = 8;
const BUFFER_BYTES = 2048;
export const VECTOR = 0x41;

export interface Received {
  readonly bytes: number[];
  readonly status: number;
  readonly checksum: number;
}

export class NicDriver {
  readonly machine: PciSystem;
  readonly #bar: number;
  readonly receiveRing: number;
  readonly sendRing: number;
  readonly buffers: number;
  #receiveIndex = 0;
  #sendIndex = 0;

  /** @param memory where rings and buffers lie: 64 KiB */
  constructor(machine: PciSystem, bdf: Bdf, bar: number, memory: number) {
    this.machine = machine;
    this.#bar = bar;
    this.receiveRing = memory;
    this.sendRing = memory + 0x1000;
    this.buffers = memory + 0x2000;
    machine.enable(bdf, 0xd0, VECTOR);
    this.write(0x0000, 0x40);
    machine.memory.bytes(memory, 0x10000).fill(0);
    for (let n = 0; n < RING_LENGTH; n++)
      machine.memory.view.setUint32(
        this.receiveRing + 16 * n,
        this.buffers + n * BUFFER_BYTES,
        true,
      );
    this.write(0x2800, this.receiveRing);
    this.write(0x2808, RING_LENGTH * 16);
    this.write(0x3800, this.sendRing);
    this.write(0x3808, RING_LENGTH * 16);
    // enabled, broadcasts, check sequences stripped; padding short frames
    this.write(0x0100, 0x04008002);
    this.write(0x2818, RING_LENGTH - 1);
    this.write(0x0400, 0x0004000a);
  }

  read(register: number): number {
    return this.machine.load(this.#bar + register) as number;
  }

  write(register: number, value: number): void {
    this.machine.store(this.#bar + register, value);
  }

  /** Put a descriptor into the ring and tell the controller. @param command RS, IFCS, EOP */
  send(frame: readonly number[], command = 0x0b): void {
    const at = this.buffers + 0x8000 + this.#sendIndex * BUFFER_BYTES;
    this.machine.memory.u8.set(frame, at);
    this.descriptor(at, (command << 24) | frame.length, 0);
  }

  /** @param command length and command: the third double word */
  descriptor(address: number, command: number, options: number, high = 0): void {
    const { view } = this.machine.memory;
    const at = this.sendRing + 16 * this.#sendIndex;
    [address, high, command, options].forEach((word, n) => {
      view.setUint32(at + 4 * n, word, true);
    });
    this.#sendIndex = (this.#sendIndex + 1) % RING_LENGTH;
    this.write(0x3818, this.#sendIndex);
  }

  /** Status of the descriptor last sent. */
  get sentStatus(): number {
    const index = (this.#sendIndex + RING_LENGTH - 1) % RING_LENGTH;
    return this.machine.memory.u8[this.sendRing + 16 * index + 12];
  }

  /** The next frame, whose descriptors go back to the controller if asked. */
  receive(giveBack = true): Received | undefined {
    const { view, u8 } = this.machine.memory;
    const bytes: number[] = [];
    for (;;) {
      const at = this.receiveRing + 16 * this.#receiveIndex;
      const status = u8[at + 12];
      if ((status & 1) === 0) return undefined;
      const buffer = view.getUint32(at, true);
      bytes.push(...u8.subarray(buffer, buffer + view.getUint16(at + 8, true)));
      const checksum = view.getUint16(at + 10, true);
      u8[at + 12] = 0;
      if (giveBack) this.write(0x2818, this.#receiveIndex);
      this.#receiveIndex = (this.#receiveIndex + 1) % RING_LENGTH;
      if ((status & 2) !== 0) return { bytes, status, checksum };
    }
  }
}

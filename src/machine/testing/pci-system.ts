/** A board with PCI devices and one CPU that does nothing, for tests that are its driver. */

import { GuestMemory } from "../../engine/guest-memory.ts";
import type { Width } from "../../engine/vcpu.ts";
import { Board } from "../board.ts";
import type { PortWidth } from "../device.ts";
import type { PciDeviceOptions } from "../pci-devices.ts";
import type { Bdf } from "../pci-host.ts";
import { FakeVcpu, HLT } from "./fake-vcpu.ts";

const MEMORY_BYTES = 2 ** 20;

/** One memory for all boards of a test file: the host reserves much address space for each. */
let shared: GuestMemory | undefined;

export class PciSystem {
  readonly memory: GuestMemory;
  readonly board: Board;
  readonly #result = { lo: 0, hi: 0 };

  constructor(devices: readonly PciDeviceOptions[]) {
    shared ??= new GuestMemory(MEMORY_BYTES);
    shared.u8.fill(0);
    this.memory = shared;
    this.board = new Board({ memory: shared, vcpus: [new FakeVcpu(0, () => HLT)], devices });
    this.board.localApics[0].writeRegister(0x0f, 0x1ff);
  }

  configRead(bdf: Bdf, register: number, width: PortWidth = 4): number {
    return this.board.pci.configRead(bdf, register, width);
  }

  configWrite(bdf: Bdf, register: number, value: number, width: PortWidth = 4): void {
    this.board.pci.configWrite(bdf, register, width, value);
  }

  /** @returns undefined if nobody answers */
  load(address: number, width: Width = 4): number | undefined {
    return this.board.memoryBus.read(address, width, this.#result) ? this.#result.lo : undefined;
  }

  store(address: number, value: number, width: Width = 4): void {
    this.board.memoryBus.write(address, width, value >>> 0, 0);
  }

  run(nanoseconds: number): void {
    this.board.clock.advance(this.board.clock.now + nanoseconds);
  }

  /** Memory and ports decoded, DMA allowed, messages with this vector to CPU 0. */
  enable(bdf: Bdf, msi: number, vector: number): void {
    this.configWrite(bdf, 0x04, 0x0007, 2);
    this.configWrite(bdf, msi + 4, 0xfee00000);
    this.configWrite(bdf, msi + 12, vector, 2);
    this.configWrite(bdf, msi + 2, 1, 2);
  }

  /** Vectors that CPU 0 has to take, ended at once. */
  vectors(): number[] {
    const [lapic] = this.board.localApics;
    const vectors: number[] = [];
    while (lapic.pending() >= 0) {
      vectors.push(lapic.acknowledge());
      lapic.writeRegister(0x0b, 0);
    }
    return vectors;
  }
}

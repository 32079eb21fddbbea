/** Registers of a virtual device, where its guest has placed them. */
import type { Width } from "../../engine/vcpu.ts";
import type { ReadResult } from "../../machine/device.ts";
import type { Cpu } from "../cpu.ts";
import type { Range } from "../memory-map.ts";
import type { MmioHandler, Violation } from "../mmio-dispatch.ts";

export interface RegisterBlock {
  /** @param result zero */
  read(offset: number, result: ReadResult): Violation | undefined;
  /** @param value 32 bits */
  write(offset: number, value: number): Violation | undefined;
}

export class BarWindow implements MmioHandler {
  readonly range: Range;
  readonly behindMemory = true;
  readonly #block: RegisterBlock;

  constructor(range: Range, block: RegisterBlock) {
    this.range = range;
    this.#block = block;
  }

  read(_cpu: Cpu, offset: number, _width: Width, result: ReadResult): Violation | undefined {
    result.lo = 0;
    result.hi = 0;
    return this.#block.read(offset, result);
  }

  write(_cpu: Cpu, offset: number, _width: Width, lo: number): Violation | undefined {
    return this.#block.write(offset, lo);
  }
}

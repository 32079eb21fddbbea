/**
 * The IOAPIC as cells see it (hypervisor interface, 7.8): each has its own
 * index register and the entries of its own pins. The chip's index register
 * belongs to the hypervisor.
 */
import type { Irqchip } from "../config/types.ts";
import type { Width } from "../engine/vcpu.ts";
import type { ReadResult } from "../machine/device.ts";
import type { MemoryBus } from "../machine/memory-bus.ts";
import type { Cpu } from "./cpu.ts";
import { hex, type Result, refuse, success } from "./errno.ts";
import { checkMessage, type InterruptMessage } from "./interrupt-message.ts";
import { PAGE_SIZE, type Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import type { Release } from "./release.ts";

/** More pins than any chip has that the interrupt remapping could serve. */
const MAXIMUM_PINS = 120;

const INDEX = 0x00;
const DATA = 0x10;
const EOI = 0x40;

const VERSION = 1;
const FIRST_ENTRY = 0x10;

const MASKED = 1 << 16;

/** The chip itself, and what each pin's owner programmed last. */
export class IoapicChip {
  readonly address: number;
  readonly pins: number;
  readonly #bus: MemoryBus;
  readonly #result: ReadResult = { lo: 0, hi: 0 };
  /** Redirection entries as the guests wrote them, two words a pin. */
  readonly entries: Uint32Array;

  private constructor(bus: MemoryBus, address: number) {
    this.#bus = bus;
    this.address = address;
    this.pins = ((this.read(VERSION) >>> 16) & 0xff) + 1;
    this.entries = new Uint32Array(2 * this.pins);
    if (this.pins <= MAXIMUM_PINS)
      for (let word = 0; word < this.entries.length; word++)
        this.entries[word] = this.read(FIRST_ENTRY + word);
  }

  /** @returns EIO if it claims to have more pins than can be moderated (as an absent chip does) */
  static open(bus: MemoryBus, address: number): Result<IoapicChip> {
    const chip = new IoapicChip(bus, address);
    return chip.pins > MAXIMUM_PINS
      ? refuse(
          "EIO",
          `the IOAPIC at ${hex(address)} reports ${chip.pins} pins, more than ${MAXIMUM_PINS}`,
        )
      : success(chip);
  }

  read(register: number): number {
    this.#bus.write(this.address + INDEX, 4, register, 0);
    this.#bus.read(this.address + DATA, 4, this.#result);
    return this.#result.lo;
  }

  write(register: number, value: number): void {
    this.#bus.write(this.address + INDEX, 4, register, 0);
    this.#bus.write(this.address + DATA, 4, value, 0);
  }

  eoi(vector: number): void {
    this.#bus.write(this.address + EOI, 4, vector, 0);
  }

  /** Makes a pin's entry effective; masked while its two halves do not belong together. */
  program(pin: number, lo: number, hi: number): void {
    this.write(FIRST_ENTRY + 2 * pin, this.entries[2 * pin] | MASKED);
    this.write(FIRST_ENTRY + 2 * pin + 1, hi);
    this.write(FIRST_ENTRY + 2 * pin, lo);
    this.entries[2 * pin] = lo;
    this.entries[2 * pin + 1] = hi;
  }

  mask(pin: number): void {
    this.entries[2 * pin] |= MASKED;
    this.write(FIRST_ENTRY + 2 * pin, this.entries[2 * pin]);
  }
}

/** One cell's view of a chip. */
export class IoapicView implements MmioHandler {
  readonly range: Range;
  readonly chip: IoapicChip;
  readonly #release: Release;
  /** Bit n of word w: pin 32 w + n belongs to the cell now. */
  readonly pins: Uint32Array;
  #index = 0;

  constructor(chip: IoapicChip, { pinBitmap }: Irqchip, release: Release) {
    this.chip = chip;
    this.pins = Uint32Array.from(pinBitmap);
    this.#release = release;
    this.range = { start: chip.address, size: PAGE_SIZE };
  }

  owns(pin: number): boolean {
    return (this.pins[pin >> 5] & (1 << (pin & 31))) !== 0;
  }

  /** Masks every pin of the cell. */
  maskAll(): void {
    for (let pin = 0; pin < this.chip.pins; pin++) if (this.owns(pin)) this.chip.mask(pin);
  }

  read(_cpu: Cpu, offset: number, _width: Width, result: ReadResult): Violation | undefined {
    result.hi = 0;
    if (offset === INDEX) {
      result.lo = this.#index;
      return undefined;
    }
    if (offset !== DATA) return this.#violation("read", offset);
    const index = this.#index;
    if (index < FIRST_ENTRY) {
      if (index > VERSION && !this.#release.ioapic.lowIndicesReadable)
        return this.#violation("read", offset);
      result.lo = this.chip.read(index);
      return undefined;
    }
    const pin = (index - FIRST_ENTRY) >> 1;
    if (pin >= this.chip.pins) return this.#violation("read", offset);
    if (!this.owns(pin)) {
      if (!this.#release.ioapic.foreignPinsIgnored) return this.#violation("read", offset);
      result.lo = 0;
      return undefined;
    }
    result.lo = this.chip.entries[index - FIRST_ENTRY];
    return undefined;
  }

  write(cpu: Cpu, offset: number, _width: Width, lo: number): Violation | undefined {
    if (offset === INDEX) {
      this.#index = lo & 0xff;
      return undefined;
    }
    if (offset === EOI && this.pins.some((word) => word !== 0)) {
      this.chip.eoi(lo);
      return undefined;
    }
    const index = this.#index;
    if (offset !== DATA || index < FIRST_ENTRY) return this.#violation("write", offset);
    const pin = (index - FIRST_ENTRY) >> 1;
    if (pin >= this.chip.pins) return this.#violation("write", offset);
    if (!this.owns(pin))
      return this.#release.ioapic.foreignPinsIgnored ? undefined : this.#violation("write", offset);
    const isHigh = (index & 1) === 1;
    const entryLo = isHigh ? this.chip.entries[2 * pin] : lo;
    const entryHi = isHigh ? lo : this.chip.entries[2 * pin + 1];
    if (
      (entryLo & MASKED) === 0 &&
      checkMessage(cpu.cell, toMessage(entryLo, entryHi)) !== undefined
    )
      return this.#violation("write", offset);
    this.chip.program(pin, entryLo, entryHi);
    return undefined;
  }

  #violation(direction: "read" | "write", offset: number): Violation {
    return `FATAL: Invalid IOAPIC ${direction}, reg: ${offset.toString(16)}, index: ${this.#index.toString(16)}`;
  }
}

function toMessage(lo: number, hi: number): InterruptMessage {
  return {
    vector: lo & 0xff,
    deliveryMode: (lo >> 8) & 7,
    logical: (lo & (1 << 11)) !== 0,
    destination: hi >>> 24,
  };
}

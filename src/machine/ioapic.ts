/** Intel 82093AA I/O APIC, 24 pins, with the EOI register of version 0x20 (ICH datasheet, 13.5). */

import type { Width } from "../engine/vcpu.ts";
import type { ApicBus, EoiListener } from "./apic-bus.ts";
import type { InterruptLine, MemoryDevice, ReadResult, Stateful } from "./device.ts";

export const IOAPIC_PINS = 24;

/** Register page offsets. */
const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOIR = 0x40;
/** Indices. */
const IOAPICID = 0x00;
const IOAPICVER = 0x01;
const IOAPICARB = 0x02;
const IOREDTBL = 0x10;

const VERSION = 0x20 | ((IOAPIC_PINS - 1) << 16);

/** Low half of a redirection entry. */
const DELIVERY_STATUS = 1 << 12;
const REMOTE_IRR = 1 << 14;
const LEVEL_TRIGGERED = 1 << 15;
const MASKED = 1 << 16;
/** Vector, modes, polarity, trigger, mask: what software may store. */
const WRITABLE_LOW = 0x1afff;

export interface IoApicState {
  select: number;
  id: number;
  low: Uint32Array;
  high: Uint32Array;
  asserted: number;
}

export class IoApic implements MemoryDevice, EoiListener, Stateful<IoApicState> {
  /** The wires, asserted or not; the polarity a guest programs is taken to fit its board. */
  readonly pins: readonly InterruptLine[];
  readonly #bus: ApicBus;
  #select = 0;
  #id = 0;
  readonly #low = new Uint32Array(IOAPIC_PINS).fill(MASKED);
  readonly #high = new Uint32Array(IOAPIC_PINS);
  /** Bit n: pin n is asserted. */
  #asserted = 0;

  constructor(bus: ApicBus) {
    this.#bus = bus;
    this.pins = Array.from({ length: IOAPIC_PINS }, (_, pin) => ({
      set: (level: boolean) => this.#setPin(pin, level),
    }));
    bus.listen(this);
  }

  reset(): void {
    this.#select = 0;
    this.#id = 0;
    this.#low.fill(MASKED);
    this.#high.fill(0);
  }

  /** A register by index, as IOWIN shows it. One that is not there reads 0. */
  readRegister(index: number): number {
    if (index === IOAPICID || index === IOAPICARB) return this.#id << 24;
    if (index === IOAPICVER) return VERSION;
    const pin = (index - IOREDTBL) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return 0;
    return (index & 1) === 0 ? this.#low[pin] : this.#high[pin];
  }

  /** Writes to read-only registers, and to those that are not there, vanish. */
  writeRegister(index: number, value: number): void {
    if (index === IOAPICID) this.#id = (value >>> 24) & 0xf;
    const pin = (index - IOREDTBL) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return;
    if ((index & 1) === 1) {
      this.#high[pin] = value & 0xff000000;
      return;
    }
    let entry = value & WRITABLE_LOW;
    // an entry turned edge-triggered forgets its remote IRR: that is how software without EOIR clears it
    if ((entry & LEVEL_TRIGGERED) !== 0) entry |= this.#low[pin] & REMOTE_IRR;
    this.#low[pin] = entry;
    this.#serviceLevel(pin);
  }

  memoryRead(offset: number, width: Width, result: ReadResult): void {
    let value = 0;
    if (offset === IOREGSEL) value = this.#select;
    else if (offset === IOWIN) value = this.readRegister(this.#select);
    result.lo = width >= 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
    result.hi = 0;
  }

  memoryWrite(offset: number, _width: Width, lo: number, _hi: number): void {
    if (offset === IOREGSEL) this.#select = lo & 0xff;
    else if (offset === IOWIN) this.writeRegister(this.#select, lo);
    else if (offset === EOIR) this.endOfInterrupt(lo & 0xff);
  }

  /** The vector has been served: level-triggered pins that are still asserted interrupt again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = this.#low[pin];
      if ((entry & 0xff) !== vector || (entry & LEVEL_TRIGGERED) === 0) continue;
      this.#low[pin] = entry & ~REMOTE_IRR;
      this.#serviceLevel(pin);
    }
  }

  save(): IoApicState {
    return {
      select: this.#select,
      id: this.#id,
      low: this.#low.slice(),
      high: this.#high.slice(),
      asserted: this.#asserted,
    };
  }

  load(state: IoApicState): void {
    this.#select = state.select;
    this.#id = state.id;
    this.#low.set(state.low);
    this.#high.set(state.high);
    this.#asserted = state.asserted;
  }

  #setPin(pin: number, level: boolean): void {
    const bit = 1 << pin;
    if (level === ((this.#asserted & bit) !== 0)) return;
    if (!level) {
      this.#asserted &= ~bit;
      return;
    }
    this.#asserted |= bit;
    const entry = this.#low[pin];
    if ((entry & LEVEL_TRIGGERED) !== 0) this.#serviceLevel(pin);
    // an edge on a masked pin is lost (82093AA datasheet, 3.2.4)
    else if ((entry & MASKED) === 0) this.#send(pin);
  }

  /** Interrupt if the pin is level-triggered, asserted, and not in service. */
  #serviceLevel(pin: number): void {
    const entry = this.#low[pin];
    if ((this.#asserted & (1 << pin)) === 0) return;
    if ((entry & (LEVEL_TRIGGERED | MASKED | REMOTE_IRR)) !== LEVEL_TRIGGERED) return;
    // remote IRR goes up before the message: its receiver may end it at once
    this.#low[pin] |= REMOTE_IRR;
    if (!this.#send(pin)) this.#low[pin] &= ~REMOTE_IRR;
  }

  #send(pin: number): boolean {
    const command = this.#low[pin] & 0xffff & ~(REMOTE_IRR | DELIVERY_STATUS);
    return this.#bus.send(this.#high[pin] >>> 24, command);
  }
}

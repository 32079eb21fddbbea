/**
 * Motorola MC146818 real-time clock with 128 bytes of NVRAM, ports 0x70 and
 * 0x71. The calendar is computed from the clock when asked for; the clock's
 * timer is armed only for interrupts that are enabled.
 */

import type { Clock, Timer } from "./clock.ts";
import type { InterruptLine, PortDevice, PortWidth, Stateful } from "./device.ts";
import { fromRegisters, HOURS_24, nextAlarm, TIME_REGISTERS, toRegisters } from "./rtc-calendar.ts";

const INDEX_PORT = 0x70;
const NMI_MASK = 0x80;

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;

/** Register A. */
const UIP = 0x80;
const DIVIDER = 0x70;
const DIVIDER_32768_HZ = 0x20;
/** Register B. */
const SET = 0x80;
const PIE = 0x40;
const AIE = 0x20;
const UIE = 0x10;
/** Register C; PF, AF, UF have the places of their enable bits. */
const IRQF = 0x80;
const FLAGS = PIE | AIE | UIE;
/** Register D: the battery is good. */
const VRT = 0x80;

const SECOND_NS = 1e9;
/** UIP is up this long before the time changes. */
const UIP_NS = 244_000;

export interface Mc146818State {
  index: number;
  nmiMasked: boolean;
  nvram: Uint8Array;
  offsetSeconds: number;
  flags: number;
  settledNs: number;
}

export class Mc146818 implements PortDevice, Stateful<Mc146818State> {
  readonly #clock: Clock;
  readonly #irq: InterruptLine;
  readonly #timer: Timer;
  #index = 0;
  /** Bit 7 of port 0x70: the board's NMI is off. */
  #nmiMasked = false;
  /** All registers; those of the time are current only while SET holds them. */
  readonly #nvram = new Uint8Array(128);
  /** Seconds since 1970 at power-on. */
  #offsetSeconds: number;
  #flags = 0;
  /** Time up to which `#flags` is current. */
  #settledNs = 0;

  /** @param epochSeconds seconds since 1970, UTC, at power-on */
  constructor(clock: Clock, irq: InterruptLine, epochSeconds: number) {
    if (!Number.isSafeInteger(epochSeconds))
      throw new RangeError(`RTC epoch ${epochSeconds}: must be whole seconds since 1970`);
    this.#clock = clock;
    this.#irq = irq;
    this.#offsetSeconds = epochSeconds;
    this.#nvram[REGISTER_A] = DIVIDER_32768_HZ | 0x06;
    this.#nvram[REGISTER_B] = HOURS_24;
    this.#timer = clock.timer(() => this.#drive());
  }

  get nmiMasked(): boolean {
    return this.#nmiMasked;
  }

  portRead(port: number, _width: PortWidth): number {
    // the index cannot be read back
    return port === INDEX_PORT ? 0xff : this.#read(this.#index);
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    if (port === INDEX_PORT) {
      this.#index = value & 0x7f;
      this.#nmiMasked = (value & NMI_MASK) !== 0;
    } else this.#write(this.#index, value);
  }

  save(): Mc146818State {
    this.#settle();
    return {
      index: this.#index,
      nmiMasked: this.#nmiMasked,
      nvram: this.#nvram.slice(),
      offsetSeconds: this.#offsetSeconds,
      flags: this.#flags,
      settledNs: this.#settledNs,
    };
  }

  load(state: Mc146818State): void {
    this.#index = state.index;
    this.#nmiMasked = state.nmiMasked;
    this.#nvram.set(state.nvram);
    this.#offsetSeconds = state.offsetSeconds;
    this.#flags = state.flags;
    this.#settledNs = state.settledNs;
    this.#drive();
  }

  get #registerB(): number {
    return this.#nvram[REGISTER_B];
  }

  /** SET, or a divider that is held in reset: the calendar stands still. */
  get #stopped(): boolean {
    return (
      (this.#registerB & SET) !== 0 || (this.#nvram[REGISTER_A] & DIVIDER) !== DIVIDER_32768_HZ
    );
  }

  #seconds(atNs: number): number {
    return this.#offsetSeconds + Math.floor(atNs / SECOND_NS);
  }

  #read(index: number): number {
    switch (index) {
      case REGISTER_A: {
        const untilUpdate = SECOND_NS - (this.#clock.now % SECOND_NS);
        const updating = !this.#stopped && untilUpdate <= UIP_NS;
        return this.#nvram[REGISTER_A] | (updating ? UIP : 0);
      }
      case REGISTER_C: {
        this.#settle();
        const flags = this.#flags | ((this.#flags & this.#registerB) !== 0 ? IRQF : 0);
        this.#flags = 0;
        this.#drive();
        return flags;
      }
      case REGISTER_D:
        return VRT;
      default:
        if (isTime(index)) this.#refresh();
        return this.#nvram[index];
    }
  }

  #write(index: number, value: number): void {
    this.#settle();
    if (index === REGISTER_C || index === REGISTER_D) return;
    if (index === REGISTER_A || index === REGISTER_B) {
      this.#refresh();
      const stopped = this.#stopped;
      this.#nvram[index] = index === REGISTER_A ? value & ~UIP : value;
      // setting SET also takes back the update interrupt's enable
      if (index === REGISTER_B && (value & SET) !== 0) this.#nvram[index] &= ~UIE;
      if (stopped && !this.#stopped) this.#adopt();
    } else {
      this.#refresh();
      this.#nvram[index] = value;
      if (isTime(index) && !this.#stopped) this.#adopt();
    }
    this.#drive();
  }

  /** Bring the time registers to the present, unless they stand still. */
  #refresh(): void {
    if (!this.#stopped) toRegisters(this.#seconds(this.#clock.now), this.#registerB, this.#nvram);
  }

  /** The calendar goes on from what the registers hold. */
  #adopt(): void {
    const seconds = fromRegisters(this.#nvram, this.#registerB);
    this.#offsetSeconds += seconds - this.#seconds(this.#clock.now);
  }

  /** Nanoseconds of the periodic interrupt, Infinity when rate selection is 0. */
  get #periodNs(): number {
    const rate = this.#nvram[REGISTER_A] & 0xf;
    if (rate === 0) return Number.POSITIVE_INFINITY;
    // 1 and 2 are 256 and 128 Hz, 3 to 15 are 8192 Hz down to 2 Hz
    const hertz = 32768 >> (rate < 3 ? rate + 6 : rate - 1);
    return SECOND_NS / hertz;
  }

  #nextPeriod(afterNs: number): number {
    const period = this.#periodNs;
    return period === Number.POSITIVE_INFINITY
      ? period
      : (Math.floor(afterNs / period) + 1) * period;
  }

  #nextUpdate(afterNs: number): number {
    if (this.#stopped) return Number.POSITIVE_INFINITY;
    return (Math.floor(afterNs / SECOND_NS) + 1) * SECOND_NS;
  }

  #nextAlarm(afterNs: number): number {
    if (this.#stopped) return Number.POSITIVE_INFINITY;
    const at = nextAlarm(this.#seconds(afterNs), this.#nvram, this.#registerB);
    return (at - this.#offsetSeconds) * SECOND_NS;
  }

  /** Set the flags of what happened since they were last looked at. */
  #settle(): void {
    const now = this.#clock.now;
    const since = this.#settledNs;
    if (now <= since) return;
    if (this.#nextPeriod(since) <= now) this.#flags |= PIE;
    if (this.#nextUpdate(since) <= now) this.#flags |= UIE;
    if ((this.#flags & AIE) === 0 && this.#nextAlarm(since) <= now) this.#flags |= AIE;
    this.#settledNs = now;
  }

  #drive(): void {
    this.#settle();
    const pending = this.#flags & this.#registerB & FLAGS;
    this.#irq.set(pending !== 0);
    const awaited = this.#registerB & ~this.#flags;
    const now = this.#settledNs;
    let next = Number.POSITIVE_INFINITY;
    // once the line is up nobody needs another reason
    if (pending === 0) {
      if ((awaited & PIE) !== 0) next = Math.min(next, this.#nextPeriod(now));
      if ((awaited & UIE) !== 0) next = Math.min(next, this.#nextUpdate(now));
      if ((awaited & AIE) !== 0) next = Math.min(next, this.#nextAlarm(now));
    }
    this.#timer.arm(next);
  }
}

function isTime(index: number): boolean {
  return (TIME_REGISTERS as readonly number[]).includes(index);
}

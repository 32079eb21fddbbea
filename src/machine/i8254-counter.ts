/**
 * One counter of an Intel 8254 (datasheet 231164). Nothing counts here: counts
 * and OUT are computed from the tick number when asked for. A tick is one
 * period of CLK; a write takes effect at the tick after it.
 */

import type { Stateful } from "./device.ts";

/** Bits 5:4 of the control word. */
const LSB = 1;
const MSB = 2;
const LSB_THEN_MSB = 3;

export interface I8254CounterState {
  mode: number;
  bcd: boolean;
  access: number;
  gate: boolean;
  written: boolean;
  countRegister: number;
  reload: number;
  start: number;
  frozen: number;
  pendingReload: number;
  pendingAt: number;
  firstByte: number;
  secondWrite: boolean;
  secondRead: boolean;
  latched: number;
  latchedStatus: number;
}

export class I8254Counter implements Stateful<I8254CounterState> {
  #mode = 0;
  #bcd = false;
  #access = LSB_THEN_MSB;
  #gate: boolean;
  /** A count has been written since the control word. */
  #written = false;
  /** CR as a number of ticks, 1..65536. */
  #countRegister = 65536;
  /** What the counting element started from. */
  #reload = 65536;
  /** Tick at which the counting element held `#reload`; Infinity: not loaded yet. */
  #start = Number.POSITIVE_INFINITY;
  /** Ticks elapsed when GATE stopped the count, or -1 while it counts. */
  #frozen = -1;
  /** In modes 2 and 3: a count that is loaded at `#pendingAt`; 0 for none. */
  #pendingReload = 0;
  #pendingAt = 0;
  #firstByte = 0;
  #secondWrite = false;
  #secondRead = false;
  /** Latched count, 16 bits, and status, or -1. */
  #latched = -1;
  #latchedStatus = -1;

  constructor(gate: boolean) {
    this.#gate = gate;
  }

  get gate(): boolean {
    return this.#gate;
  }

  /** Control word with RW not 0: mode, access and BCD; OUT goes to its initial level. */
  control(word: number): void {
    const mode = (word >> 1) & 7;
    // 6 and 7 are 2 and 3: bit 2 does not matter there
    this.#mode = mode > 5 ? mode - 4 : mode;
    this.#bcd = (word & 1) !== 0;
    this.#access = (word >> 4) & 3;
    this.#written = false;
    this.#start = Number.POSITIVE_INFINITY;
    this.#frozen = -1;
    this.#pendingReload = 0;
    this.#secondWrite = false;
    this.#secondRead = false;
    this.#latched = -1;
    this.#latchedStatus = -1;
  }

  write(value: number, tick: number): void {
    if (this.#access === LSB_THEN_MSB && !this.#secondWrite) {
      this.#firstByte = value;
      this.#secondWrite = true;
      // in mode 0 the first byte stops the count and takes OUT low
      if (this.#mode === 0) {
        this.#start = Number.POSITIVE_INFINITY;
        this.#frozen = -1;
      }
      return;
    }
    this.#secondWrite = false;
    if (this.#access === LSB) this.#setCount(value, tick);
    else if (this.#access === MSB) this.#setCount(value << 8, tick);
    else this.#setCount(this.#firstByte | (value << 8), tick);
  }

  read(tick: number): number {
    if (this.#latchedStatus >= 0) {
      const status = this.#latchedStatus;
      this.#latchedStatus = -1;
      return status;
    }
    const count = this.#latched >= 0 ? this.#latched : this.#encode(this.#count(tick));
    if (this.#access === LSB_THEN_MSB && !this.#secondRead) {
      this.#secondRead = true;
      return count & 0xff;
    }
    this.#secondRead = false;
    this.#latched = -1;
    return this.#access === LSB ? count & 0xff : count >> 8;
  }

  /** A latched count stays until it is read: later latch commands are ignored. */
  latchCount(tick: number): void {
    if (this.#latched < 0) this.#latched = this.#encode(this.#count(tick));
  }

  latchStatus(tick: number): void {
    if (this.#latchedStatus >= 0) return;
    this.#settle(tick);
    const nullCount = !this.#written || tick < this.#start || this.#pendingReload !== 0;
    this.#latchedStatus =
      (this.out(tick) ? 0x80 : 0) |
      (nullCount ? 0x40 : 0) |
      (this.#access << 4) |
      (this.#mode << 1) |
      (this.#bcd ? 1 : 0);
  }

  setGate(gate: boolean, tick: number): void {
    if (gate === this.#gate) return;
    this.#settle(tick);
    this.#gate = gate;
    if (this.#mode === 1 || this.#mode === 5) {
      if (gate && this.#written) this.#load(this.#countRegister, tick);
    } else if (gate && (this.#mode === 2 || this.#mode === 3)) {
      if (this.#written) this.#load(this.#countRegister, tick);
    } else if (!gate) this.#freeze(tick);
    else if (this.#frozen >= 0) {
      this.#start = tick + 1 - this.#frozen;
      this.#frozen = -1;
    }
  }

  /** Level of OUT. */
  out(tick: number): boolean {
    this.#settle(tick);
    const count = this.#reload;
    const elapsed = this.#elapsed(tick);
    switch (this.#mode) {
      case 0:
        return elapsed >= count;
      case 1:
        return elapsed < 0 || elapsed >= count;
      case 2:
        return !this.#gate || elapsed < 0 || elapsed % count !== count - 1;
      case 3:
        return !this.#gate || elapsed < 0 || elapsed % count < (count + 1) >> 1;
      default:
        return elapsed !== count;
    }
  }

  /** The next tick at which OUT may change, or Infinity. */
  nextChange(tick: number): number {
    this.#settle(tick);
    if (this.#frozen >= 0 || this.#start === Number.POSITIVE_INFINITY)
      return Number.POSITIVE_INFINITY;
    const count = this.#reload;
    const start = this.#start;
    const elapsed = tick - start;
    if (elapsed < 0) return start;
    const cycle = elapsed - (elapsed % count);
    switch (this.#mode) {
      case 0:
      case 1:
        return elapsed < count ? start + count : Number.POSITIVE_INFINITY;
      case 2:
        // a count of 1 is illegal and makes no cycle; a new one still comes in
        if (count < 2) return this.#pendingReload ? this.#pendingAt : Number.POSITIVE_INFINITY;
        return start + cycle + (elapsed - cycle < count - 1 ? count - 1 : count);
      case 3: {
        if (count < 2) return this.#pendingReload ? this.#pendingAt : Number.POSITIVE_INFINITY;
        const high = (count + 1) >> 1;
        return start + cycle + (elapsed - cycle < high ? high : count);
      }
      default:
        if (elapsed > count) return Number.POSITIVE_INFINITY;
        return start + (elapsed < count ? count : count + 1);
    }
  }

  save(): I8254CounterState {
    return {
      mode: this.#mode,
      bcd: this.#bcd,
      access: this.#access,
      gate: this.#gate,
      written: this.#written,
      countRegister: this.#countRegister,
      reload: this.#reload,
      start: this.#start,
      frozen: this.#frozen,
      pendingReload: this.#pendingReload,
      pendingAt: this.#pendingAt,
      firstByte: this.#firstByte,
      secondWrite: this.#secondWrite,
      secondRead: this.#secondRead,
      latched: this.#latched,
      latchedStatus: this.#latchedStatus,
    };
  }

  load(state: I8254CounterState): void {
    this.#mode = state.mode;
    this.#bcd = state.bcd;
    this.#access = state.access;
    this.#gate = state.gate;
    this.#written = state.written;
    this.#countRegister = state.countRegister;
    this.#reload = state.reload;
    this.#start = state.start;
    this.#frozen = state.frozen;
    this.#pendingReload = state.pendingReload;
    this.#pendingAt = state.pendingAt;
    this.#firstByte = state.firstByte;
    this.#secondWrite = state.secondWrite;
    this.#secondRead = state.secondRead;
    this.#latched = state.latched;
    this.#latchedStatus = state.latchedStatus;
  }

  #setCount(raw: number, tick: number): void {
    this.#settle(tick);
    const first = !this.#written;
    this.#written = true;
    this.#countRegister = this.#decode(raw);
    switch (this.#mode) {
      case 0:
      case 4:
        this.#load(this.#countRegister, tick);
        break;
      case 2:
      case 3:
        if (first || this.#frozen >= 0 || tick < this.#start) this.#load(this.#countRegister, tick);
        else {
          // the running period (mode 2) or half period (mode 3) is finished first
          this.#pendingReload = this.#countRegister;
          this.#pendingAt = this.#periodEnd(tick);
        }
        break;
      default: // 1, 5: loaded by the next trigger
    }
  }

  /** The counting element takes `count` at the next tick, and counts if GATE lets it. */
  #load(count: number, tick: number): void {
    this.#reload = count;
    this.#start = tick + 1;
    this.#pendingReload = 0;
    const gated = this.#mode !== 1 && this.#mode !== 5;
    this.#frozen = gated && !this.#gate ? 0 : -1;
  }

  #freeze(tick: number): void {
    if (this.#start !== Number.POSITIVE_INFINITY && this.#frozen < 0)
      this.#frozen = Math.max(0, tick - this.#start);
  }

  /** Let a pending count take over if its time has come. */
  #settle(tick: number): void {
    if (this.#pendingReload === 0 || tick < this.#pendingAt || this.#frozen >= 0) return;
    const period = this.#reload;
    const high = (period + 1) >> 1;
    const endsHigh = this.#mode === 3 && (this.#pendingAt - this.#start) % period === high % period;
    this.#reload = this.#pendingReload;
    this.#pendingReload = 0;
    // `#start` is always the start of a high half
    this.#start = this.#pendingAt - (endsHigh ? (this.#reload + 1) >> 1 : 0);
  }

  #periodEnd(tick: number): number {
    const count = this.#reload;
    const into = (tick - this.#start) % count;
    const high = (count + 1) >> 1;
    const end = this.#mode === 3 && into < high ? high : count;
    return tick - into + end;
  }

  /** Ticks since the counting element was loaded; negative if it has not been. */
  #elapsed(tick: number): number {
    return this.#frozen >= 0 ? this.#frozen : tick - this.#start;
  }

  /** Present value of the counting element. */
  #count(tick: number): number {
    this.#settle(tick);
    const count = this.#reload;
    const elapsed = this.#elapsed(tick);
    if (elapsed < 0) return count;
    if (this.#mode === 2) return count - (elapsed % count);
    if (this.#mode === 3) {
      const high = (count + 1) >> 1;
      const into = elapsed % count;
      // odd counts lose one, then both halves count down by two
      return (count & ~1) - 2 * (into < high ? into : into - high);
    }
    const modulus = this.#bcd ? 10000 : 65536;
    return (((count - elapsed) % modulus) + modulus) % modulus;
  }

  #decode(raw: number): number {
    if (!this.#bcd) return raw === 0 ? 65536 : raw;
    let value = 0;
    for (let shift = 12; shift >= 0; shift -= 4) value = value * 10 + ((raw >> shift) & 0xf);
    return value === 0 ? 10000 : value;
  }

  #encode(count: number): number {
    if (!this.#bcd) return count & 0xffff;
    let raw = 0;
    let rest = count % 10000;
    for (let shift = 0; shift < 16; shift += 4) {
      raw |= (rest % 10) << shift;
      rest = Math.floor(rest / 10);
    }
    return raw;
  }
}

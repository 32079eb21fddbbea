/**
 * The timer of a local APIC (Intel SDM vol. 3, 11.5.4): one-shot, periodic,
 * TSC-deadline. Counts are computed from the clock when asked for. The clock's
 * timer is armed only while the entry is unmasked: a masked timer still counts,
 * but wakes nobody.
 */

import type { Clock, Timer } from "./clock.ts";
import type { Stateful } from "./device.ts";

const ONE_SHOT = 0;
const PERIODIC = 1;
const TSC_DEADLINE = 2;

export interface ApicTimerState {
  mode: number;
  masked: boolean;
  divideConfiguration: number;
  initialCount: number;
  startCount: number;
  startNs: number;
  deadlineLow: number;
  deadlineHigh: number;
  tscOffset: number;
}

export class ApicTimer implements Stateful<ApicTimerState> {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #busHz: number;
  readonly #tscHz: number;
  /** Bits 18:17 of the LVT entry. */
  #mode = ONE_SHOT;
  #masked = true;
  #divideConfiguration = 0;
  #initialCount = 0;
  /** The count was `#startCount` at `#startNs`; 0 is a timer that does not run. */
  #startCount = 0;
  #startNs = 0;
  /** IA32_TSC_DEADLINE, 0 when disarmed. */
  #deadlineLow = 0;
  #deadlineHigh = 0;
  /** When `#timer` fires, Infinity if it does not. */
  #expiry = Number.POSITIVE_INFINITY;
  /** Ticks that WRMSR to IA32_TSC or IA32_TSC_ADJUST put the time-stamp counter ahead of the clock. */
  tscOffset = 0;

  /** @param expire deliver the LVT timer interrupt; called only while unmasked */
  constructor(clock: Clock, busHz: number, tscHz: number, expire: () => void) {
    this.#clock = clock;
    this.#busHz = busHz;
    this.#tscHz = tscHz;
    this.#timer = clock.timer(() => {
      if (this.#mode === PERIODIC) this.#reload(this.#expiry);
      else if (this.#mode === ONE_SHOT) this.#startCount = 0;
      else {
        this.#deadlineLow = 0;
        this.#deadlineHigh = 0;
      }
      this.#arm();
      expire();
    });
  }

  /** As after reset or INIT; the TSC's own offset is not the APIC's to clear. */
  reset(): void {
    this.#mode = ONE_SHOT;
    this.#masked = true;
    this.#divideConfiguration = 0;
    this.#initialCount = 0;
    this.#startCount = 0;
    this.#startNs = 0;
    this.#deadlineLow = 0;
    this.#deadlineHigh = 0;
    this.#timer.disarm();
  }

  /** The LVT timer entry was written: its mode in bits 18:17, its mask in bit 16. */
  configure(lvt: number): void {
    const bits = (lvt >>> 17) & 3;
    // 11b is reserved
    const mode = bits > TSC_DEADLINE ? ONE_SHOT : bits;
    this.#settle();
    if (mode !== this.#mode) {
      // entering or leaving TSC-deadline mode disarms the timer
      if ((mode === TSC_DEADLINE) !== (this.#mode === TSC_DEADLINE)) {
        this.#initialCount = 0;
        this.#startCount = 0;
        this.#deadlineLow = 0;
        this.#deadlineHigh = 0;
      }
      this.#mode = mode;
    }
    this.#masked = (lvt & 0x10000) !== 0;
    this.#arm();
  }

  get divideConfiguration(): number {
    return this.#divideConfiguration;
  }

  set divideConfiguration(value: number) {
    this.#settle();
    // the counter goes on from where it is, at the new rate
    this.#startCount = this.currentCount;
    this.#startNs = this.#clock.now;
    this.#divideConfiguration = value & 0xb;
    this.#arm();
  }

  get initialCount(): number {
    return this.#initialCount;
  }

  /** Starts the timer; 0 stops it. Ignored in TSC-deadline mode. */
  set initialCount(value: number) {
    if (this.#mode === TSC_DEADLINE) return;
    this.#initialCount = value >>> 0;
    this.#reload(this.#clock.now);
    this.#arm();
  }

  get currentCount(): number {
    if (this.#startCount === 0 || this.#mode === TSC_DEADLINE) return 0;
    const ticks = Math.floor(Math.max(0, this.#clock.now - this.#startNs) / this.#tickNs);
    if (ticks < this.#startCount) return this.#startCount - ticks;
    if (this.#mode !== PERIODIC || this.#initialCount === 0) return 0;
    return this.#initialCount - ((ticks - this.#startCount) % this.#initialCount);
  }

  /** IA32_TSC_DEADLINE, low and high half; 0 when disarmed, expired or in another mode. */
  get deadlineLow(): number {
    return this.#deadlineExpired() ? 0 : this.#deadlineLow;
  }

  get deadlineHigh(): number {
    return this.#deadlineExpired() ? 0 : this.#deadlineHigh;
  }

  /** WRMSR IA32_TSC_DEADLINE: 0 disarms; ignored in the other modes. */
  setDeadline(lo: number, hi: number): void {
    if (this.#mode !== TSC_DEADLINE) return;
    this.#deadlineLow = lo >>> 0;
    this.#deadlineHigh = hi >>> 0;
    this.#arm();
  }

  /** The guest set the time-stamp counter (MSR 0x10): a pending deadline moves with it. */
  writeTsc(lo: number, hi: number): void {
    this.shiftTsc(
      hi * 2 ** 32 + lo - Math.floor((this.#clock.now * this.#tscHz) / 1e9) - this.tscOffset,
    );
  }

  /** The guest moved the time-stamp counter by some ticks (MSR 0x3b). */
  shiftTsc(ticks: number): void {
    this.tscOffset += ticks;
    this.#arm();
  }

  save(): ApicTimerState {
    return {
      mode: this.#mode,
      masked: this.#masked,
      divideConfiguration: this.#divideConfiguration,
      initialCount: this.#initialCount,
      startCount: this.#startCount,
      startNs: this.#startNs,
      deadlineLow: this.#deadlineLow,
      deadlineHigh: this.#deadlineHigh,
      tscOffset: this.tscOffset,
    };
  }

  load(state: ApicTimerState): void {
    this.#mode = state.mode;
    this.#masked = state.masked;
    this.#divideConfiguration = state.divideConfiguration;
    this.#initialCount = state.initialCount;
    this.#startCount = state.startCount;
    this.#startNs = state.startNs;
    this.#deadlineLow = state.deadlineLow;
    this.#deadlineHigh = state.deadlineHigh;
    this.tscOffset = state.tscOffset;
    this.#arm();
  }

  /** Nanoseconds of one count: bits 3, 1, 0 of the divide configuration are 2, 4, .. 128, 1. */
  get #tickNs(): number {
    const code = (this.#divideConfiguration & 3) | ((this.#divideConfiguration & 8) >> 1);
    const divisor = code === 7 ? 1 : 2 << code;
    return (divisor * 1e9) / this.#busHz;
  }

  #reload(atNs: number): void {
    this.#startCount = this.#initialCount;
    this.#startNs = atNs;
  }

  /** Account for expiries that passed while masked, so that mode or mask can change. */
  #settle(): void {
    if (this.#mode === TSC_DEADLINE) {
      if (this.#deadlineExpired()) {
        this.#deadlineLow = 0;
        this.#deadlineHigh = 0;
      }
      return;
    }
    const ticks = Math.floor(Math.max(0, this.#clock.now - this.#startNs) / this.#tickNs);
    if (ticks < this.#startCount) return;
    if (this.#mode === PERIODIC && this.#initialCount !== 0) {
      const intoPeriod = (ticks - this.#startCount) % this.#initialCount;
      this.#startNs += (ticks - intoPeriod) * this.#tickNs;
      this.#startCount = this.#initialCount;
    } else this.#startCount = 0;
  }

  #deadlineNs(): number {
    const ticks = this.#deadlineHigh * 2 ** 32 + this.#deadlineLow;
    return ((ticks - this.tscOffset) * 1e9) / this.#tscHz;
  }

  #deadlineExpired(): boolean {
    return this.#mode !== TSC_DEADLINE || (this.#masked && this.#deadlineNs() <= this.#clock.now);
  }

  #arm(): void {
    this.#expiry = this.#masked ? Number.POSITIVE_INFINITY : this.#nextExpiry();
    this.#timer.arm(this.#expiry);
  }

  #nextExpiry(): number {
    if (this.#mode === TSC_DEADLINE)
      return this.#deadlineLow === 0 && this.#deadlineHigh === 0
        ? Number.POSITIVE_INFINITY
        : this.#deadlineNs();
    if (this.#startCount === 0) return Number.POSITIVE_INFINITY;
    const first = this.#startNs + this.#startCount * this.#tickNs;
    // expiries that passed while masked are lost
    const late = this.#clock.now - first;
    if (late < 0) return first;
    if (this.#mode === ONE_SHOT) return Number.POSITIVE_INFINITY;
    const period = this.#initialCount * this.#tickNs;
    return first + (Math.floor(late / period) + 1) * period;
  }
}

/**
 * Why the controller interrupts (registers ICR, ICS, IMS, IMC), and how often at most (ITR). The
 * packet and absolute delays (RDTR, RADV, TIDV, TADV) only ever postpone: here they are zero.
 */

import type { Clock, Timer } from "../clock.ts";
import type { InterruptLine, Stateful } from "../device.ts";
import { CAUSES } from "./registers.ts";

/** ITR counts in these. */
const ITR_UNIT_NS = 256;

export interface InterruptCausesState {
  causes: number;
  mask: number;
  interval: number;
  asserted: boolean;
  earliestNs: number;
}

export class InterruptCauses implements Stateful<InterruptCausesState> {
  readonly #clock: Clock;
  readonly #line: InterruptLine;
  readonly #timer: Timer;
  #causes = 0;
  #mask = 0;
  /** ITR, 0: no throttling. */
  #interval = 0;
  #asserted = false;
  /** The next interrupt comes no earlier. */
  #earliestNs = 0;

  constructor(clock: Clock, line: InterruptLine) {
    this.#clock = clock;
    this.#line = line;
    this.#timer = clock.timer(() => this.#drive());
  }

  /** ICR: reading it clears all. */
  readCauses(): number {
    const causes = this.#causes;
    this.clear(causes);
    return causes;
  }

  /** Writing 1 to bits of ICR. */
  clear(causes: number): void {
    this.#causes &= ~causes;
    this.#drive();
  }

  raise(causes: number): void {
    this.#causes |= causes & CAUSES;
    this.#drive();
  }

  get mask(): number {
    return this.#mask;
  }

  set mask(value: number) {
    this.#mask = value & CAUSES;
    this.#drive();
  }

  get interval(): number {
    return this.#interval;
  }

  set interval(value: number) {
    this.#interval = value & 0xffff;
  }

  reset(): void {
    this.#causes = 0;
    this.#mask = 0;
    this.#interval = 0;
    this.#earliestNs = 0;
    this.#drive();
  }

  save(): InterruptCausesState {
    return {
      causes: this.#causes,
      mask: this.#mask,
      interval: this.#interval,
      asserted: this.#asserted,
      earliestNs: this.#earliestNs,
    };
  }

  load(state: InterruptCausesState): void {
    this.#causes = state.causes;
    this.#mask = state.mask;
    this.#interval = state.interval;
    this.#asserted = state.asserted;
    this.#earliestNs = state.earliestNs;
    this.#drive();
  }

  #drive(): void {
    const wanted = (this.#causes & this.#mask) !== 0;
    const now = this.#clock.now;
    const postponed = wanted && !this.#asserted && now < this.#earliestNs;
    this.#timer.arm(postponed ? this.#earliestNs : Number.POSITIVE_INFINITY);
    if (postponed) return;
    if (wanted && !this.#asserted) this.#earliestNs = now + this.#interval * ITR_UNIT_NS;
    this.#asserted = wanted;
    this.#line.set(wanted);
  }
}

/**
 * Intel 8254 interval timer of a PC: ports 0x40..0x43, and the system control
 * port 0x61 that gates counter 2 and shows its output.
 */

import type { Clock, Timer } from "./clock.ts";
import type { InterruptLine, PortDevice, PortWidth, Stateful } from "./device.ts";
import { I8254Counter, type I8254CounterState } from "./i8254-counter.ts";

/** CLK is 105/88 MHz = 1.193182 MHz. */
const TICK_NS = 88_000 / 105;
/** Counter 1 asks for a memory refresh every 18 ticks; port 0x61 shows it as a toggling bit. */
const REFRESH_TICKS = 18;

/** Port 0x61. */
const GATE2 = 0x01;
const WRITABLE_61 = 0x0f;
const REFRESH_TOGGLE = 0x10;
const OUT2 = 0x20;

export interface I8254State {
  counters: I8254CounterState[];
  port61: number;
  latestTick: number;
}

export class I8254 implements PortDevice, Stateful<I8254State> {
  readonly #clock: Clock;
  readonly #irq0: InterruptLine;
  readonly #timer: Timer;
  /** Gates 0 and 1 are wired high, gate 2 is bit 0 of port 0x61. */
  readonly #counters = [new I8254Counter(true), new I8254Counter(true), new I8254Counter(false)];
  #port61 = 0;
  /** CLK never runs backwards, whichever CPU looks. */
  #latestTick = 0;
  /** Tick for which the timer is armed. */
  #armedTick = Number.POSITIVE_INFINITY;

  /** @param irq0 follows OUT of counter 0 */
  constructor(clock: Clock, irq0: InterruptLine) {
    this.#clock = clock;
    this.#irq0 = irq0;
    this.#timer = clock.timer(() => {
      // by number, not by dividing the deadline again: rounding must not fall short of it
      this.#latestTick = Math.max(this.#latestTick, this.#armedTick);
      this.#driveIrq0();
    });
  }

  portRead(port: number, _width: PortWidth): number {
    const tick = this.#tick();
    if (port === 0x61) {
      const refresh = Math.floor(tick / REFRESH_TICKS) % 2 === 1 ? REFRESH_TOGGLE : 0;
      return this.#port61 | refresh | (this.#counters[2].out(tick) ? OUT2 : 0);
    }
    // the control word cannot be read: the data bus floats
    return port === 0x43 ? 0xff : this.#counters[port & 3].read(tick);
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    const tick = this.#tick();
    if (port === 0x61) {
      this.#port61 = value & WRITABLE_61;
      this.#counters[2].setGate((value & GATE2) !== 0, tick);
      return;
    }
    if (port === 0x43) this.#command(value, tick);
    else this.#counters[port & 3].write(value, tick);
    this.#driveIrq0();
  }

  save(): I8254State {
    this.#driveIrq0();
    return {
      counters: this.#counters.map((counter) => counter.save()),
      port61: this.#port61,
      latestTick: this.#latestTick,
    };
  }

  load(state: I8254State): void {
    state.counters.forEach((saved, n) => {
      this.#counters[n].load(saved);
    });
    this.#port61 = state.port61;
    this.#latestTick = state.latestTick;
    this.#driveIrq0();
  }

  #tick(): number {
    this.#latestTick = Math.max(this.#latestTick, Math.floor(this.#clock.now / TICK_NS));
    return this.#latestTick;
  }

  #command(word: number, tick: number): void {
    const select = word >> 6;
    if (select === 3) {
      // read-back: counters in bits 3..1, bits 5 and 4 low to latch count and status
      for (let n = 0; n < 3; n++) {
        if ((word & (2 << n)) === 0) continue;
        if ((word & 0x20) === 0) this.#counters[n].latchCount(tick);
        if ((word & 0x10) === 0) this.#counters[n].latchStatus(tick);
      }
    } else if ((word & 0x30) === 0) this.#counters[select].latchCount(tick);
    else this.#counters[select].control(word);
  }

  #driveIrq0(): void {
    this.#irq0.set(this.#counters[0].out(this.#tick()));
    this.#arm();
  }

  #arm(): void {
    this.#armedTick = this.#counters[0].nextChange(this.#tick());
    this.#timer.arm(this.#armedTick * TICK_NS);
  }
}

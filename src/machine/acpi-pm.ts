/**
 * ACPI power-management block (ACPI 6.5, 4.8.3): PM1 event and control
 * registers, and eight ports behind their start the 24-bit timer. Nothing here
 * uses system management mode, so ACPI mode is always on: SCI_EN reads 1.
 */

import type { Clock, Timer } from "./clock.ts";
import type { InterruptLine, PortDevice, PortWidth, Stateful } from "./device.ts";

/** Offsets from the start of the block. */
const PM1_STS = 0;
const PM1_EN = 2;
const PM1_CNT = 4;
export const PM_TMR = 8;
export const ACPI_PM_PORTS = 12;

/** PM1_STS and PM1_EN. */
const TMR = 1 << 0;
const GBL = 1 << 5;
const PWRBTN = 1 << 8;
const SLPBTN = 1 << 9;
const RTC = 1 << 10;
const WAK = 1 << 15;
const STATUS_BITS = TMR | GBL | PWRBTN | SLPBTN | RTC | WAK;
const ENABLE_BITS = TMR | GBL | PWRBTN | SLPBTN | RTC;

/** PM1_CNT. */
const SCI_EN = 1 << 0;
const SLP_TYP_SHIFT = 10;
const SLP_EN = 1 << 13;
const CONTROL_BITS = 0x1c02;

export const PM_TIMER_HZ = 3_579_545;
const TICK_NS = 1e9 / PM_TIMER_HZ;
/** TMR_STS is set whenever bit 23, the highest, changes. */
const HALF_PERIOD_TICKS = 2 ** 23;

export interface AcpiPmState {
  status: number;
  enable: number;
  control: number;
  halfPeriods: number;
}

export class AcpiPm implements PortDevice, Stateful<AcpiPmState> {
  readonly #clock: Clock;
  readonly #sci: InterruptLine;
  readonly #sleep: (type: number) => void;
  readonly #overflow: Timer;
  readonly #base: number;
  /** All but TMR is current; TMR is brought up to date when looked at. */
  #status = 0;
  #enable = 0;
  #control = 0;
  /** Changes of bit 23 that TMR_STS has told of. */
  #halfPeriods = 0;
  #armedHalfPeriods = 0;

  /**
   * @param base port of PM1_STS; the timer is at base + 8
   * @param sleep called with SLP_TYP, 0..7, when the guest sets SLP_EN
   */
  constructor(clock: Clock, base: number, sci: InterruptLine, sleep: (type: number) => void) {
    this.#clock = clock;
    this.#base = base;
    this.#sci = sci;
    this.#sleep = sleep;
    this.#overflow = clock.timer(() => {
      // by number: rounding must not fall short of the change that was armed
      this.#account(this.#armedHalfPeriods);
      this.#drive();
    });
  }

  /** The person presses the power button. */
  pressPowerButton(): void {
    this.#status |= PWRBTN;
    this.#drive();
  }

  portRead(port: number, width: PortWidth): number {
    const offset = port - this.#base;
    if (offset >= PM_TMR) return this.#part(this.#tick() & 0xffffff, offset - PM_TMR, width);
    this.#settle();
    const pair = offset >= PM1_CNT ? this.#control | SCI_EN : this.#status | (this.#enable << 16);
    return this.#part(pair, offset & 3, width);
  }

  portWrite(port: number, width: PortWidth, value: number): void {
    const offset = port - this.#base;
    if (width > 1) {
      for (let n = 0; n < width; n++) this.portWrite(port + n, 1, (value >>> (8 * n)) & 0xff);
      return;
    }
    const shift = 8 * (offset & 1);
    const mask = 0xff << shift;
    const bits = value << shift;
    switch (offset & ~1) {
      case PM1_STS:
        this.#settle();
        this.#status &= ~bits;
        break;
      case PM1_EN:
        this.#enable = ((this.#enable & ~mask) | bits) & ENABLE_BITS;
        break;
      case PM1_CNT:
        this.#control = ((this.#control & ~mask) | bits) & CONTROL_BITS;
        if ((bits & SLP_EN) !== 0) this.#sleep((this.#control >> SLP_TYP_SHIFT) & 7);
        break;
      default: // the timer is read-only
    }
    this.#drive();
  }

  save(): AcpiPmState {
    this.#settle();
    return {
      status: this.#status,
      enable: this.#enable,
      control: this.#control,
      halfPeriods: this.#halfPeriods,
    };
  }

  load(state: AcpiPmState): void {
    this.#status = state.status;
    this.#enable = state.enable;
    this.#control = state.control;
    this.#halfPeriods = state.halfPeriods;
    this.#drive();
  }

  #part(value: number, offset: number, width: PortWidth): number {
    const rest = value >>> (8 * offset);
    return width === 4 ? rest >>> 0 : rest & (width === 2 ? 0xffff : 0xff);
  }

  /** Ticks since power-on as the running CPU sees them: exact for each, whatever the others have read. */
  #tick(): number {
    return Math.floor(this.#clock.now / TICK_NS);
  }

  #settle(): void {
    this.#account(Math.floor(this.#tick() / HALF_PERIOD_TICKS));
  }

  #account(halfPeriods: number): void {
    if (halfPeriods <= this.#halfPeriods) return;
    this.#halfPeriods = halfPeriods;
    this.#status |= TMR;
  }

  #drive(): void {
    this.#settle();
    this.#sci.set((this.#status & this.#enable & STATUS_BITS) !== 0);
    // only an overflow that interrupts needs to wake anybody
    if ((this.#enable & ~this.#status & TMR) !== 0) {
      this.#armedHalfPeriods = this.#halfPeriods + 1;
      this.#overflow.arm(this.#armedHalfPeriods * HALF_PERIOD_TICKS * TICK_NS);
    } else this.#overflow.disarm();
  }
}

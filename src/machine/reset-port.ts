/**
 * The two reset registers of a PC chipset (ICH9 datasheet, 13.7): RST_CNT at
 * 0xcf9 and the fast reset of system control port A at 0x92.
 */

import type { PortDevice, PortWidth, Stateful } from "./device.ts";

export const RST_CNT = 0xcf9;
export const PORT_92 = 0x92;

/** RST_CNT: a rising RST_CPU resets, hard if SYS_RST is set. */
const SYS_RST = 0x02;
const RST_CPU = 0x04;
const FULL_RST = 0x08;
/** Port 0x92: a rising INIT_NOW resets the CPUs. */
const INIT_NOW = 0x01;
const ALT_A20_GATE = 0x02;

/** `hard`: the whole board; `soft`: INIT at every CPU. */
export type ResetKind = "hard" | "soft";

export interface ResetPortState {
  resetControl: number;
  port92: number;
}

export class ResetPort implements PortDevice, Stateful<ResetPortState> {
  readonly #reset: (kind: ResetKind) => void;
  #resetControl = 0;
  /** The A20 gate is kept as a bit: address line 20 is always on. */
  #port92 = ALT_A20_GATE;

  constructor(reset: (kind: ResetKind) => void) {
    this.#reset = reset;
  }

  portRead(port: number, _width: PortWidth): number {
    return port === RST_CNT ? this.#resetControl : this.#port92;
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    if (port === RST_CNT) {
      const rising = (value & ~this.#resetControl & RST_CPU) !== 0;
      this.#resetControl = value & (SYS_RST | RST_CPU | FULL_RST);
      if (rising) this.#reset((value & SYS_RST) !== 0 ? "hard" : "soft");
    } else {
      const rising = (value & ~this.#port92 & INIT_NOW) !== 0;
      this.#port92 = value & (INIT_NOW | ALT_A20_GATE);
      if (rising) this.#reset("soft");
    }
  }

  save(): ResetPortState {
    return { resetControl: this.#resetControl, port92: this.#port92 };
  }

  load(state: ResetPortState): void {
    this.#resetControl = state.resetControl;
    this.#port92 = state.port92;
  }
}

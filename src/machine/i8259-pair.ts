/** The two 8259A of a PC and their edge/level control registers (ICH9 datasheet, 13.4 and 5.8). */

import {
  type InterruptLine,
  type PortDevice,
  type PortWidth,
  type Stateful,
  UNCONNECTED,
} from "./device.ts";
import { I8259, type I8259State } from "./i8259.ts";
import type { ExternalController } from "./local-apic.ts";

export interface I8259PairState {
  master: I8259State;
  slave: I8259State;
}

const CASCADE = 2;

/** Master at 0x20, slave at 0xa0 on the master's input 2, ELCR at 0x4d0. */
export class I8259Pair implements PortDevice, ExternalController, Stateful<I8259PairState> {
  readonly #master: I8259;
  readonly #slave: I8259;
  /** IRQ 0..15; IRQ 2 is the cascade and leads nowhere. */
  readonly pins: readonly InterruptLine[];

  /** @param intr the CPU's INTR, or a local APIC's LINT0 */
  constructor(intr: InterruptLine) {
    // inputs 0, 1, 2, 8 and 13 are always edge-triggered
    this.#master = new I8259(intr, CASCADE, 0xf8);
    this.#slave = new I8259(this.#master.pins[CASCADE], -1, 0xde);
    this.pins = [...this.#master.pins, ...this.#slave.pins].map((pin, irq) =>
      irq === CASCADE ? UNCONNECTED : pin,
    );
  }

  vector(): number {
    return this.#master.nextInput === CASCADE ? this.#slave.vector : this.#master.vector;
  }

  acknowledge(): number {
    const fromSlave = this.#master.nextInput === CASCADE;
    const vector = this.#master.acknowledge();
    return fromSlave ? this.#slave.acknowledge() : vector;
  }

  portRead(port: number, _width: PortWidth): number {
    switch (port) {
      case 0x20:
        return this.#master.readCommandPort();
      case 0x21:
        return this.#master.readDataPort();
      case 0xa0:
        return this.#slave.readCommandPort();
      case 0xa1:
        return this.#slave.readDataPort();
      case 0x4d0:
        return this.#master.edgeLevelControl;
      default:
        return this.#slave.edgeLevelControl;
    }
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    switch (port) {
      case 0x20:
        this.#master.writeCommandPort(value);
        break;
      case 0x21:
        this.#master.writeDataPort(value);
        break;
      case 0xa0:
        this.#slave.writeCommandPort(value);
        break;
      case 0xa1:
        this.#slave.writeDataPort(value);
        break;
      case 0x4d0:
        this.#master.edgeLevelControl = value;
        break;
      default:
        this.#slave.edgeLevelControl = value;
    }
  }

  save(): I8259PairState {
    return { master: this.#master.save(), slave: this.#slave.save() };
  }

  load(state: I8259PairState): void {
    this.#master.load(state.master);
    this.#slave.load(state.slave);
  }
}

/**
 * How the interrupt pins of PCI functions reach the IOAPIC of a q35 board: eight wires, PIRQ A to H,
 * end at its pins 16 to 23. Devices 0 to 24 and 30 use E to H, the others A to D (ICH9 datasheet,
 * 10.1.20 DxxIR, as QEMU leaves it). Pins that share a wire are or-ed.
 */

import { type InterruptLine, UNCONNECTED } from "../device.ts";
import type { Bdf } from "../pci-host.ts";

const PIRQ_A = 16;
const PIRQ_E = 20;

/** @param pin 1 = INTA# to 4 = INTD# @returns the pin of the IOAPIC */
export function pirqPin(bdf: Bdf, pin: number): number {
  const device = (bdf >> 3) & 31;
  if (device === 30) return PIRQ_E + pin - 1;
  return device < 25 ? PIRQ_E + ((device + pin - 1) & 3) : PIRQ_A + pin - 1;
}

export class PciInterruptRouter {
  readonly #pins: readonly InterruptLine[];
  /** By pin of the IOAPIC: how many functions assert it. */
  readonly #asserting = new Uint16Array(24);

  /** @param pins of the IOAPIC */
  constructor(pins: readonly InterruptLine[]) {
    this.#pins = pins;
  }

  /** A wire for one function's pin; 0: it has none. Only functions of bus 0 are wired. */
  connect(bdf: Bdf, pin: number): InterruptLine {
    if (pin === 0 || bdf > 0xff) return UNCONNECTED;
    const wire = pirqPin(bdf, pin);
    let asserted = false;
    return {
      set: (level) => {
        if (level === asserted) return;
        asserted = level;
        this.#asserting[wire] += level ? 1 : -1;
        this.#pins[wire].set(this.#asserting[wire] > 0);
      },
    };
  }
}

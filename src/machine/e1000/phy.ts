/**
 * The PHY inside the controller, reached by register MDIC: IEEE 802.3 clause 22 registers of a
 * Marvell 88E1011, whose link partner offers everything. Its link is up as long as there is a
 * cable and it has power.
 */

import type { Stateful } from "../device.ts";

/** Register numbers. */
const CONTROL = 0;
const STATUS = 1;
const IDENTIFIER_1 = 2;
const IDENTIFIER_2 = 3;
const ADVERTISEMENT = 4;
const PARTNER_ABILITY = 5;
const EXPANSION = 6;
const NEXT_PAGE = 7;
const GIGABIT_CONTROL = 9;
const GIGABIT_STATUS = 10;
const EXTENDED_STATUS = 15;
const SPECIFIC_CONTROL = 16;
const SPECIFIC_STATUS = 17;
const EXTENDED_SPECIFIC_CONTROL = 20;

const CONTROL_RESET = 0x8000;
const CONTROL_POWER_DOWN = 0x0800;
const CONTROL_RESTART = 0x0200;
/** All but reset and restart, which clear themselves, and reserved bits. */
const CONTROL_KEPT = 0x7dc0;
/** Auto-negotiation, full duplex, 1000 Mb/s. */
const CONTROL_DEFAULT = 0x1140;

/** Abilities; auto-negotiation done, link up. */
const STATUS_ABILITIES = 0x7949;
const STATUS_NEGOTIATED = 0x0020;
const STATUS_LINK = 0x0004;

const DEFAULTS: Readonly<Record<number, number>> = {
  [CONTROL]: CONTROL_DEFAULT,
  [IDENTIFIER_1]: 0x0141,
  [IDENTIFIER_2]: 0x0c20,
  [ADVERTISEMENT]: 0x0de1,
  [NEXT_PAGE]: 0x2001,
  [GIGABIT_CONTROL]: 0x0e00,
  [EXTENDED_STATUS]: 0x3000,
  [SPECIFIC_CONTROL]: 0x0360,
  [EXTENDED_SPECIFIC_CONTROL]: 0x0d60,
};

const WRITABLE = new Set([
  ADVERTISEMENT,
  NEXT_PAGE,
  GIGABIT_CONTROL,
  SPECIFIC_CONTROL,
  EXTENDED_SPECIFIC_CONTROL,
]);

export class Phy implements Stateful<Uint16Array> {
  readonly #registers = new Uint16Array(32);
  readonly #hasCable: boolean;

  constructor(hasCable: boolean) {
    this.#hasCable = hasCable;
    this.reset();
  }

  reset(): void {
    this.#registers.fill(0);
    for (const [register, value] of Object.entries(DEFAULTS))
      this.#registers[Number(register)] = value;
  }

  get linkUp(): boolean {
    return this.#hasCable && (this.#registers[CONTROL] & CONTROL_POWER_DOWN) === 0;
  }

  read(register: number): number {
    const up = this.linkUp;
    switch (register) {
      case STATUS:
        return STATUS_ABILITIES | (up ? STATUS_NEGOTIATED | STATUS_LINK : 0);
      case PARTNER_ABILITY:
        return up ? 0x4de1 : 0;
      case EXPANSION:
        // page received; the partner can negotiate
        return up ? 0x0003 : 0;
      case GIGABIT_STATUS:
        // local and remote receivers in order, the partner offers 1000BASE-T
        return up ? 0x3c00 : 0;
      case SPECIFIC_STATUS:
        // 1000 Mb/s, full duplex, resolved, real-time link
        return up ? 0xac00 : 0x8000;
      default:
        return this.#registers[register];
    }
  }

  write(register: number, value: number): void {
    if (register === CONTROL) {
      if ((value & CONTROL_RESET) !== 0) this.reset();
      else this.#registers[CONTROL] = value & CONTROL_KEPT & ~CONTROL_RESTART;
    } else if (WRITABLE.has(register)) this.#registers[register] = value;
  }

  save(): Uint16Array {
    return this.#registers.slice();
  }

  load(state: Uint16Array): void {
    this.#registers.set(state);
  }
}

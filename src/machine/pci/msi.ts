/** The MSI capability with one message and a 64-bit address (PCI 3.0, 6.8.1). */

import type { ApicBus } from "../apic-bus.ts";
import type { RegisterBytes } from "../register-bytes.ts";

export const MSI_CAPABILITY = 0x05;

const CONTROL = 2;
const ADDRESS = 4;
const ADDRESS_HIGH = 8;
const DATA = 12;

const CONTROL_ENABLE = 0x0001;
const CONTROL_64_BIT = 0x0080;
const CONTROL_MULTIPLE_ENABLE = 0x0070;

export class Msi {
  readonly #config: RegisterBytes;
  readonly #offset: number;
  readonly #apicBus: ApicBus;

  /** Defines the registers at `offset` of configuration space. */
  constructor(config: RegisterBytes, offset: number, apicBus: ApicBus) {
    this.#config = config;
    this.#offset = offset;
    this.#apicBus = apicBus;
    config.define(offset + CONTROL, 2, {
      reset: CONTROL_64_BIT,
      writable: CONTROL_ENABLE | CONTROL_MULTIPLE_ENABLE,
    });
    config.define(offset + ADDRESS, 4, { writable: 0xfffffffc });
    config.define(offset + ADDRESS_HIGH, 4, { writable: 0xffffffff });
    config.define(offset + DATA, 2, { writable: 0xffff });
  }

  get enabled(): boolean {
    return (this.#config.get(this.#offset + CONTROL, 2) & CONTROL_ENABLE) !== 0;
  }

  /** Write the message. One that goes elsewhere than to a local APIC is lost. */
  send(): void {
    const low = this.#config.get(this.#offset + ADDRESS, 4);
    const high = this.#config.get(this.#offset + ADDRESS_HIGH, 4);
    this.#apicBus.deliverMsi(high * 2 ** 32 + low, this.#config.get(this.#offset + DATA, 2));
  }
}

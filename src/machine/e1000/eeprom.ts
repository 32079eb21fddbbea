/**
 * The 64 words of EEPROM behind the controller: by register EERD, and bit by bit as the 93C46
 * (Microwire) that it is, through EECD. It cannot be written.
 */

import type { Stateful } from "../device.ts";

const WORDS = 64;
/** Words of initialisation control (chapter 5.6): nothing beyond the defaults. */
const CONTROL_1 = 0x0a;
const SUBSYSTEM_ID = 0x0b;
const SUBSYSTEM_VENDOR_ID = 0x0c;
const DEVICE_ID = 0x0d;
const VENDOR_ID = 0x0e;
const CHECKSUM = 0x3f;
/** All words add up to this. */
const SUM = 0xbaba;

const EERD_START = 0x01;
const EERD_DONE = 0x10;

const EECD_CLOCK = 0x01;
const EECD_CHIP_SELECT = 0x02;
const EECD_DATA_IN = 0x04;
const EECD_DATA_OUT = 0x08;
const EECD_REQUEST = 0x40;
const EECD_GRANT = 0x80;
const EECD_PRESENT = 0x100;
const EECD_PINS = EECD_CLOCK | EECD_CHIP_SELECT | EECD_DATA_IN;

/** Start bit, two bits of operation, six of address. */
const COMMAND_BITS = 9;
const START_AND_READ = 0b110;

export interface EepromIdentity {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

export interface EepromState {
  eerd: number;
  eecd: number;
  command: number;
  commandBits: number;
  output: number;
  outputBits: number;
}

export class Eeprom implements Stateful<EepromState> {
  readonly words = new Uint16Array(WORDS);
  #eerd = 0;
  #eecd = 0;
  /** Bits shifted in since chip select, from the start bit on. */
  #command = 0;
  #commandBits = 0;
  /** Bits still to be shifted out, the next one in bit 16. */
  #output = 0;
  #outputBits = 0;

  constructor(identity: EepromIdentity) {
    const { words } = this;
    for (let n = 0; n < 3; n++) words[n] = identity.mac[2 * n] | (identity.mac[2 * n + 1] << 8);
    words[CONTROL_1] = 0x4408;
    words[SUBSYSTEM_ID] = identity.subsystem;
    words[SUBSYSTEM_VENDOR_ID] = identity.subsystemVendor;
    words[DEVICE_ID] = identity.device;
    words[VENDOR_ID] = identity.vendor;
    words[CHECKSUM] = words.reduce((left, word) => left - word, SUM);
  }

  get eerd(): number {
    return this.#eerd;
  }

  /** A read is done at once. */
  set eerd(value: number) {
    if ((value & EERD_START) === 0) return;
    const address = (value >>> 8) & 0xff;
    const word = this.words[address % WORDS];
    this.#eerd = ((word << 16) | (address << 8) | EERD_DONE) >>> 0;
  }

  get eecd(): number {
    const granted = (this.#eecd & EECD_REQUEST) !== 0 ? EECD_GRANT : 0;
    // the line is pulled up while the chip does not drive it
    const driven = this.#outputBits > 0 ? (this.#output & 0x10000) !== 0 : true;
    return this.#eecd | granted | EECD_PRESENT | (driven ? EECD_DATA_OUT : 0);
  }

  set eecd(value: number) {
    const before = this.#eecd;
    const granted = (value & EECD_REQUEST) !== 0;
    this.#eecd = value & (EECD_REQUEST | (granted ? EECD_PINS : 0));
    if ((this.#eecd & EECD_CHIP_SELECT) === 0) {
      this.#command = 0;
      this.#commandBits = 0;
      this.#outputBits = 0;
    } else if ((this.#eecd & ~before & EECD_CLOCK) !== 0)
      this.#clock((value & EECD_DATA_IN) !== 0 ? 1 : 0);
  }

  save(): EepromState {
    return {
      eerd: this.#eerd,
      eecd: this.#eecd,
      command: this.#command,
      commandBits: this.#commandBits,
      output: this.#output,
      outputBits: this.#outputBits,
    };
  }

  load(state: EepromState): void {
    this.#eerd = state.eerd;
    this.#eecd = state.eecd;
    this.#command = state.command;
    this.#commandBits = state.commandBits;
    this.#output = state.output;
    this.#outputBits = state.outputBits;
  }

  /** A rising edge: the next bit out of a word that is read, or the next bit of a command. */
  #clock(bit: number): void {
    if (this.#outputBits > 0) {
      this.#output <<= 1;
      this.#outputBits--;
      return;
    }
    // whatever comes before the start bit means nothing
    if (this.#commandBits === 0 && bit === 0) return;
    if (this.#commandBits === COMMAND_BITS) return;
    this.#command = (this.#command << 1) | bit;
    this.#commandBits++;
    if (this.#commandBits < COMMAND_BITS || this.#command >> 6 !== START_AND_READ) return;
    // a 0 comes before the word
    this.#output = this.words[this.#command & (WORDS - 1)];
    this.#outputBits = 17;
  }
}

/**
 * Intel 8042 keyboard controller (IBM PC AT technical reference, section 1)
 * with nothing plugged in: it answers its own commands, and pulses the reset
 * line.
 */

import type { PortDevice, PortWidth, Stateful } from "./device.ts";

const DATA = 0x60;

/** Status register. */
const OUTPUT_FULL = 0x01;
const SYSTEM_FLAG = 0x04;
const COMMAND_DATA = 0x08;
const NOT_INHIBITED = 0x10;

const READ_RAM = 0x20;
const WRITE_RAM = 0x60;
const DISABLE_AUXILIARY = 0xa7;
const ENABLE_AUXILIARY = 0xa8;
const TEST_AUXILIARY = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const PULSE_OUTPUT_PORT = 0xf0;

/** Command byte, RAM location 0. */
const KEYBOARD_DISABLED = 0x10;
const AUXILIARY_DISABLED = 0x20;

/** Output port: bit 0 low resets the CPUs, bit 1 is the A20 gate. */
const RESET_LINE = 0x01;
const A20 = 0x02;

export interface I8042State {
  ram: Uint8Array;
  outputPort: number;
  output: number;
  command: number;
  lastWasCommand: boolean;
}

export class I8042 implements PortDevice, Stateful<I8042State> {
  readonly #reset: () => void;
  readonly #ram = new Uint8Array(32);
  #outputPort = 0xcf;
  /** Byte waiting to be read, or -1. */
  #output = -1;
  /** Command that waits for its data byte, or 0. */
  #command = 0;
  #lastWasCommand = false;

  /** @param reset the reset line was pulled */
  constructor(reset: () => void) {
    this.#reset = reset;
    this.#ram[0] = SYSTEM_FLAG | KEYBOARD_DISABLED | AUXILIARY_DISABLED;
  }

  portRead(port: number, _width: PortWidth): number {
    if (port === DATA) {
      const value = this.#output < 0 ? 0 : this.#output;
      this.#output = -1;
      return value;
    }
    return (
      NOT_INHIBITED |
      (this.#ram[0] & SYSTEM_FLAG) |
      (this.#output < 0 ? 0 : OUTPUT_FULL) |
      (this.#lastWasCommand ? COMMAND_DATA : 0)
    );
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    this.#lastWasCommand = port !== DATA;
    if (port === DATA) this.#data(value);
    else this.#execute(value);
  }

  save(): I8042State {
    return {
      ram: this.#ram.slice(),
      outputPort: this.#outputPort,
      output: this.#output,
      command: this.#command,
      lastWasCommand: this.#lastWasCommand,
    };
  }

  load(state: I8042State): void {
    this.#ram.set(state.ram);
    this.#outputPort = state.outputPort;
    this.#output = state.output;
    this.#command = state.command;
    this.#lastWasCommand = state.lastWasCommand;
  }

  #execute(command: number): void {
    this.#command = 0;
    if ((command & 0xe0) === READ_RAM) this.#output = this.#ram[command & 0x1f];
    else if ((command & 0xe0) === WRITE_RAM) this.#command = command;
    else if ((command & 0xf0) === PULSE_OUTPUT_PORT) {
      // bits that are 0 are pulled low
      if ((command & RESET_LINE) === 0) this.#reset();
    } else
      switch (command) {
        case DISABLE_AUXILIARY:
          this.#ram[0] |= AUXILIARY_DISABLED;
          break;
        case ENABLE_AUXILIARY:
          this.#ram[0] &= ~AUXILIARY_DISABLED;
          break;
        case DISABLE_KEYBOARD:
          this.#ram[0] |= KEYBOARD_DISABLED;
          break;
        case ENABLE_KEYBOARD:
          this.#ram[0] &= ~KEYBOARD_DISABLED;
          break;
        case SELF_TEST:
          this.#ram[0] |= SYSTEM_FLAG;
          this.#output = 0x55;
          break;
        case TEST_AUXILIARY:
        case TEST_KEYBOARD:
          this.#output = 0x00;
          break;
        case READ_OUTPUT_PORT:
          this.#output = this.#outputPort;
          break;
        case WRITE_OUTPUT_PORT:
          this.#command = command;
          break;
        default: // not a command of this controller
      }
  }

  #data(value: number): void {
    const command = this.#command;
    this.#command = 0;
    if ((command & 0xe0) === WRITE_RAM) this.#ram[command & 0x1f] = value;
    else if (command === WRITE_OUTPUT_PORT) {
      this.#outputPort = value | A20;
      if ((value & RESET_LINE) === 0) this.#reset();
    }
    // a byte for the keyboard is lost: there is none
  }
}

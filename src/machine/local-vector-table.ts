/** The local vector table of a local APIC and the two pins that feed it (Intel SDM vol. 3, 11.5.1). */

import * as apic from "./apic-registers.ts";
import type { Stateful } from "./device.ts";

export type Pin = 0 | 1;

/** {@link apic.LVT_WRITABLE} by register number; 0: not of the table. */
const WRITABLE = Uint32Array.from({ length: 256 }, (_, n) => apic.LVT_WRITABLE[n] ?? 0);

export interface LocalVectorTableState {
  entries: Uint32Array;
  pins: [boolean, boolean];
}

export class LocalVectorTable implements Stateful<LocalVectorTableState> {
  readonly #deliver: (mode: number, vector: number, level: boolean) => void;
  /** By register number. */
  readonly #entries = new Uint32Array(apic.LVT_ERROR + 1).fill(apic.LVT_MASKED);
  /** Levels at LINT0 and LINT1. */
  #pins: [boolean, boolean] = [false, false];

  /** @param deliver gives an interrupt to the APIC's own CPU; may call back */
  constructor(deliver: (mode: number, vector: number, level: boolean) => void) {
    this.#deliver = deliver;
  }

  /** Every entry masked. The pins keep their levels. */
  reset(): void {
    this.#entries.fill(apic.LVT_MASKED);
  }

  static has(register: number): boolean {
    return WRITABLE[register] > 0;
  }

  read(register: number): number {
    return this.#entries[register];
  }

  /** @param masked the APIC is software-disabled: the mask bit cannot be cleared */
  write(register: number, value: number, masked: boolean): void {
    let entry = value & WRITABLE[register];
    if (masked) entry |= apic.LVT_MASKED;
    // remote IRR means something only while the pin is level-triggered
    if ((entry & apic.LVT_LEVEL) !== 0) entry |= this.#entries[register] & apic.LVT_REMOTE_IRR;
    this.#entries[register] = entry;
    if (register === apic.LVT_LINT0) this.#sample(0);
    else if (register === apic.LVT_LINT1) this.#sample(1);
  }

  /** The source of an entry fires. */
  raise(register: number): void {
    const entry = this.#entries[register];
    if ((entry & apic.LVT_MASKED) === 0) this.#deliver((entry >> 8) & 7, entry & 0xff, false);
  }

  pin(pin: Pin): boolean {
    return this.#pins[pin];
  }

  /** @param enabled false: the pin bypasses the table, only its level is kept */
  setPin(pin: Pin, level: boolean, enabled: boolean): void {
    this.#pins[pin] = level;
    if (!enabled || !level) return;
    const entry = this.#entries[apic.LVT_LINT0 + pin];
    const mode = (entry >> 8) & 7;
    const levelTriggered = mode === apic.FIXED && (entry & apic.LVT_LEVEL) !== 0;
    if (!levelTriggered && mode !== apic.EXTINT) this.raise(apic.LVT_LINT0 + pin);
    this.#sample(pin);
  }

  /** A pin asserts an interrupt whose vector the 8259 pair supplies. */
  get external(): boolean {
    return this.#isExternal(0) || this.#isExternal(1);
  }

  /** Level-triggered pins with this vector may interrupt again. */
  endOfInterrupt(vector: number): void {
    for (const pin of [0, 1] as const) {
      const register = apic.LVT_LINT0 + pin;
      if ((this.#entries[register] & 0xff) !== vector) continue;
      this.#entries[register] &= ~apic.LVT_REMOTE_IRR;
      this.#sample(pin);
    }
  }

  save(): LocalVectorTableState {
    return { entries: this.#entries.slice(), pins: [...this.#pins] };
  }

  load(state: LocalVectorTableState): void {
    this.#entries.set(state.entries);
    this.#pins = [...state.pins];
  }

  #isExternal(pin: Pin): boolean {
    const entry = this.#entries[apic.LVT_LINT0 + pin];
    return this.#pins[pin] && (entry & (apic.LVT_MASKED | 0x700)) === apic.EXTINT << 8;
  }

  /** A level-triggered pin interrupts again after every end of interrupt, as long as it is asserted. */
  #sample(pin: Pin): void {
    const register = apic.LVT_LINT0 + pin;
    const entry = this.#entries[register];
    const inhibited = apic.LVT_MASKED | apic.LVT_REMOTE_IRR | 0x700;
    if (!this.#pins[pin] || (entry & inhibited) !== 0 || (entry & apic.LVT_LEVEL) === 0) return;
    this.#entries[register] |= apic.LVT_REMOTE_IRR;
    this.#deliver(apic.FIXED, entry & 0xff, true);
  }
}

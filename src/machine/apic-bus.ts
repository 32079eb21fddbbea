/**
 * The bus between local APICs, IOAPICs and message-signalled interrupts.
 *
 * A message is a destination and a command. A command is laid out as bits 15:0 of the ICR, which
 * redirection entries share: vector 7:0, delivery mode 10:8, logical destination 11, level 14,
 * level-triggered 15.
 */

import * as apic from "./apic-registers.ts";
import type { LocalApic } from "./local-apic.ts";

/** What reaches a CPU beside ordinary interrupts. Whoever moderates the CPUs decides what comes of it. */
export interface CpuSignals {
  nmi(cpu: number): void;
  init(cpu: number): void;
  /** Start-up with this vector: real mode at vector << 12. */
  sipi(cpu: number, vector: number): void;
  /** The CPU has an interrupt to take, perhaps: it should look at its pins. */
  wake(cpu: number): void;
}

/** Told of the end of level-triggered interrupts. */
export interface EoiListener {
  endOfInterrupt(vector: number): void;
}

/** Destination 0xff of 8 bits, 0xffffffff of 32: every local APIC. */
const BROADCAST = 0xffffffff;

export class ApicBus {
  signals: CpuSignals;
  readonly #apics: LocalApic[] = [];
  readonly #listeners: EoiListener[] = [];

  constructor(signals: CpuSignals) {
    this.signals = signals;
  }

  attach(lapic: LocalApic): void {
    if (this.#apics.some(({ id }) => id === lapic.id))
      throw new RangeError(`APIC id ${lapic.id} is on the bus already`);
    this.#apics.push(lapic);
  }

  listen(listener: EoiListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Deliver to an 8-bit destination as IOAPICs, MSIs and xAPICs name it. 0xff is every APIC.
   * @returns whether any local APIC accepted it
   */
  send(destination: number, command: number): boolean {
    return this.sendWide(destination === 0xff ? BROADCAST : destination, command);
  }

  /** Deliver to a 32-bit destination, as an x2APIC names it. */
  sendWide(destination: number, command: number): boolean {
    const logical = (command & apic.LOGICAL) !== 0;
    if (((command >> 8) & 7) === apic.LOWEST_PRIORITY) {
      let lowest: LocalApic | undefined;
      for (const lapic of this.#apics)
        if (
          lapic.acceptsFixed &&
          (destination === BROADCAST || lapic.matches(destination, logical)) &&
          (lowest === undefined || lapic.arbitrationPriority < lowest.arbitrationPriority)
        )
          lowest = lapic;
      return lowest?.receive(command) ?? false;
    }
    let accepted = false;
    for (const lapic of this.#apics)
      if (destination === BROADCAST || lapic.matches(destination, logical))
        if (lapic.receive(command)) accepted = true;
    return accepted;
  }

  /** Deliver to all, or to all but one. */
  broadcast(command: number, except?: LocalApic): boolean {
    if (((command >> 8) & 7) === apic.LOWEST_PRIORITY)
      return this.sendWide(BROADCAST, command & ~apic.LOGICAL);
    let accepted = false;
    for (const lapic of this.#apics)
      if (lapic !== except && lapic.receive(command)) accepted = true;
    return accepted;
  }

  /**
   * A write of a device to 0xfeexxxxx (Intel SDM vol. 3, 11.11): destination in address bits 19:12,
   * redirection hint 3, logical 2. Data bits 15:0 are the command.
   * @returns false if the address is not one of messages, or nobody accepted
   */
  deliverMsi(address: number, data: number): boolean {
    if (Math.floor(address / 0x100000) !== 0xfee) return false;
    const logical = (address & 4) !== 0;
    let command = (data & 0xc7ff) | (logical ? apic.LOGICAL : 0);
    // the hint redirects a logical message to the one of its targets with the lowest priority
    if (logical && (address & 8) !== 0 && ((data >> 8) & 7) === apic.FIXED)
      command |= apic.LOWEST_PRIORITY << 8;
    return this.send((address >>> 12) & 0xff, command);
  }

  /** Tell the IOAPICs that a level-triggered vector has been served. */
  endOfInterrupt(vector: number): void {
    for (const listener of this.#listeners) listener.endOfInterrupt(vector);
  }
}

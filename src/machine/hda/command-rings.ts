/**
 * How software talks to codecs (3.3.16 to 3.3.36, 4.4): commands from the CORB in memory, responses
 * into the RIRB; or one at a time by the immediate command registers. A command is answered at once.
 */

import type { Stateful } from "../device.ts";
import type { PciConfiguration } from "../pci/function.ts";
import { type RegisterBytes, touches } from "../register-bytes.ts";
import type { HdaCodec } from "./codec.ts";
import * as reg from "./registers.ts";

const ENTRIES_MASK = 0xff;
const RESPONSE_BYTES = 8;

/** Responses since the last response interrupt. */
export type CommandRingsState = number;

export class CommandRings implements Stateful<CommandRingsState> {
  readonly #registers: RegisterBytes;
  readonly #pci: PciConfiguration;
  /** By address on the link. */
  readonly #codecs: readonly HdaCodec[];
  readonly #entry = new Uint8Array(RESPONSE_BYTES);
  readonly #view = new DataView(this.#entry.buffer);
  #responses = 0;

  constructor(registers: RegisterBytes, pci: PciConfiguration, codecs: readonly HdaCodec[]) {
    this.#registers = registers;
    this.#pci = pci;
    this.#codecs = codecs;
  }

  reset(): void {
    this.#responses = 0;
  }

  /** A register has been written. */
  written(offset: number, width: number): void {
    const registers = this.#registers;
    if (touches(offset, width, reg.CORBRP, 2) && this.#pointerReset)
      registers.set(reg.CORBRP, 2, reg.CORBRP_RESET);
    if ((registers.get(reg.RIRBWP, 2) & reg.RIRBWP_RESET) !== 0) {
      registers.set(reg.RIRBWP, 2, 0);
      this.#responses = 0;
    }
    if (touches(offset, width, reg.ICIS, 2)) this.#immediate();
    this.#run();
  }

  /** Why the controller would interrupt. */
  get interruptPending(): boolean {
    const registers = this.#registers;
    const rirb = registers.get(reg.RIRBSTS, 1) & registers.get(reg.RIRBCTL, 1);
    const corb = registers.get(reg.CORBSTS, 1) & registers.get(reg.CORBCTL, 1);
    return (
      ((rirb & (reg.RIRB_RESPONSE | reg.RIRB_OVERRUN)) | (corb & reg.CORBCTL_MEMORY_ERROR)) !== 0
    );
  }

  save(): CommandRingsState {
    return this.#responses;
  }

  load(state: CommandRingsState): void {
    this.#responses = state;
  }

  get #pointerReset(): boolean {
    return (this.#registers.get(reg.CORBRP, 2) & reg.CORBRP_RESET) !== 0;
  }

  #base(low: number): number {
    return this.#registers.get(low + 4, 4) * 2 ** 32 + this.#registers.get(low, 4);
  }

  #run(): void {
    const registers = this.#registers;
    for (;;) {
      if ((registers.get(reg.CORBCTL, 1) & reg.CORBCTL_RUN) === 0 || this.#pointerReset) return;
      const read = registers.get(reg.CORBRP, 2);
      const last = registers.get(reg.CORBWP, 2);
      if (read === last) return;
      const next = (read + 1) & ENTRIES_MASK;
      if (!this.#pci.dmaRead(this.#base(reg.CORBLBASE) + 4 * next, this.#entry, 4)) {
        registers.set(reg.CORBSTS, 1, reg.CORBCTL_MEMORY_ERROR);
        registers.set(reg.CORBCTL, 1, registers.get(reg.CORBCTL, 1) & ~reg.CORBCTL_RUN);
        return;
      }
      registers.set(reg.CORBRP, 2, next);
      const command = this.#view.getUint32(0, true);
      const codec = this.#codecs[command >>> 28];
      if (codec !== undefined) this.#respond(codec.command(command), command >>> 28, next === last);
    }
  }

  /** @param isLast no command waits behind this one */
  #respond(response: number, codec: number, isLast: boolean): void {
    const registers = this.#registers;
    const status = registers.get(reg.RIRBSTS, 1);
    if ((registers.get(reg.RIRBCTL, 1) & reg.RIRBCTL_RUN) === 0) return;
    const next = (registers.get(reg.RIRBWP, 2) + 1) & ENTRIES_MASK;
    this.#view.setUint32(0, response, true);
    this.#view.setUint32(4, codec, true);
    if (!this.#pci.dmaWrite(this.#base(reg.RIRBLBASE) + RESPONSE_BYTES * next, this.#entry)) {
      registers.set(reg.RIRBSTS, 1, status | reg.RIRB_OVERRUN);
      return;
    }
    registers.set(reg.RIRBWP, 2, next);
    this.#responses++;
    // a count of 0 is 256
    if (!isLast && this.#responses !== (registers.get(reg.RINTCNT, 2) || 256)) return;
    this.#responses = 0;
    registers.set(reg.RIRBSTS, 1, status | reg.RIRB_RESPONSE);
  }

  /** A command to nobody stays busy until software takes it back. */
  #immediate(): void {
    const registers = this.#registers;
    const status = registers.get(reg.ICIS, 2);
    if ((status & reg.ICIS_BUSY) === 0) return;
    const command = registers.get(reg.ICOI, 4);
    const codec = this.#codecs[command >>> 28];
    if (codec === undefined) return;
    registers.set(reg.ICII, 4, codec.command(command));
    registers.set(reg.ICIS, 2, (status & ~reg.ICIS_BUSY) | reg.ICIS_VALID);
  }
}

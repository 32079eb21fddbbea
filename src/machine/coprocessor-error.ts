/**
 * A PC's way to report x87 exceptions while CR0.NE is clear (Intel SDM vol. 1, 8.7.2 and appendix D;
 * ICH9 datasheet, 5.8.7): FERR# latches interrupt 13. A write to port 0xf0 takes it back and asserts
 * IGNNE#, so that the handler's own x87 instructions work.
 */

import type { Vcpu } from "../engine/vcpu.ts";
import type { InterruptLine, PortDevice, PortWidth, Stateful } from "./device.ts";

export const COPROCESSOR_ERROR_PORT = 0xf0;

export class CoprocessorError implements PortDevice, Stateful<boolean> {
  readonly #line: InterruptLine;
  readonly #vcpus: readonly Vcpu[];
  #latched = false;

  constructor(line: InterruptLine, vcpus: readonly Vcpu[]) {
    this.#line = line;
    this.#vcpus = vcpus;
  }

  /** A CPU asserts FERR#. */
  raise(): void {
    this.#set(true);
  }

  portRead(_port: number, _width: PortWidth): number {
    return 0xff;
  }

  portWrite(_port: number, _width: PortWidth, _value: number): void {
    if (!this.#latched) return;
    this.#set(false);
    for (const vcpu of this.#vcpus) vcpu.ignoreNumericError?.();
  }

  save(): boolean {
    return this.#latched;
  }

  load(state: boolean): void {
    this.#set(state);
  }

  #set(latched: boolean): void {
    this.#latched = latched;
    this.#line.set(latched);
  }
}

/** Port 0x80: firmware writes its progress there (POST codes); everybody else writes to wait. */

import type { ByteSink, PortDevice, PortWidth, Stateful } from "./device.ts";

export class Port80 implements PortDevice, Stateful<number> {
  readonly #sink: ByteSink;
  #code = 0;

  /** @param sink gets every byte written */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  portRead(_port: number, _width: PortWidth): number {
    return this.#code;
  }

  portWrite(_port: number, _width: PortWidth, value: number): void {
    this.#code = value;
    this.#sink(value);
  }

  save(): number {
    return this.#code;
  }

  load(state: number): void {
    this.#code = state;
  }
}

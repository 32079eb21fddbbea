/** The module that guest/wasm.c becomes. */
import type { Clock } from "./clock.ts";
import { type Measurement, Transcript } from "./transcript.ts";

interface Exports {
  readonly memory: WebAssembly.Memory;
  name(): number;
  run(warm: number, rounds: number): number;
}

export class WasmProgram {
  readonly #module: WebAssembly.Module;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#module = new WebAssembly.Module(bytes);
  }

  /** @throws Error if the workload does not come to its end */
  run(workload: string, warm: number, rounds: number, clock: Clock): Measurement {
    const transcript = new Transcript(workload, () => ({
      milliseconds: clock(),
      work: undefined,
    }));
    const print = (text: number): void => {
      const bytes = new Uint8Array(exports.memory.buffer, text);
      for (const byte of bytes.subarray(0, bytes.indexOf(0))) transcript.put(byte);
    };
    const instance = new WebAssembly.Instance(this.#module, { host: { print } });
    const exports = instance.exports as unknown as Exports;
    const name = new TextEncoder().encode(`${workload}\0`);
    new Uint8Array(exports.memory.buffer, exports.name(), name.length).set(name);
    const done = exports.run(warm, rounds);
    return transcript.measurement(done ? "ended" : "failed");
  }
}

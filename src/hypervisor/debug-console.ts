/**
 * Where the hypervisor prints: to the console device of the system
 * configuration, to the console page that it shares with root's driver, and as
 * clean lines to whoever runs the system. A cell with permission prints
 * through it too, one character a hypercall.
 */
import type { GuestMemory } from "../engine/guest-memory.ts";

/** Characters of the ring in the console page (loader interface, 2.1). */
export const CONSOLE_RING_BYTES = 2048;
const BUSY = 0;
const TAIL = 4;
const RING = 8;

const LF = 10;
const CR = 13;

export interface ConsoleSinks {
  /** Bytes as they would leave the UART: each LF is followed by CR. Absent: no UART configured. */
  readonly uart?: ((byte: number) => void) | undefined;
  /** One line without its line feed. `cell`: it came from that cell by hypercall; null: the hypervisor's own. */
  readonly line: (cell: string | null, text: string) => void;
}

export class DebugConsole {
  readonly #sinks: ConsoleSinks;
  readonly #memory: GuestMemory;
  /** Host-physical address of the console page; undefined: not enabled. */
  readonly #page: number | undefined;
  /** Unfinished line of each source. */
  readonly #lines = new Map<string | null, string>();

  constructor(sinks: ConsoleSinks, memory: GuestMemory, page: number | undefined) {
    this.#sinks = sinks;
    this.#memory = memory;
    this.#page = page;
    if (page !== undefined) memory.bytes(page, RING + CONSOLE_RING_BYTES).fill(0);
  }

  /** A message of the hypervisor: a line of its own. Characters are ASCII or Latin-1. */
  print(line: string): void {
    this.#setBusy(1);
    for (let i = 0; i < line.length; i++) this.#emit(null, line.charCodeAt(i) & 0xff);
    this.#emit(null, LF);
    this.#setBusy(0);
  }

  /** One character (0..255) of a cell. */
  put(cell: string, character: number): void {
    this.#setBusy(1);
    this.#emit(cell, character);
    this.#setBusy(0);
  }

  /** Unread text of the ring, for a reader that has seen `from` characters in total (u32). */
  readPage(from: number): { text: string; tail: number; missed: number } | undefined {
    if (this.#page === undefined) return undefined;
    const tail = this.#memory.view.getUint32(this.#page + TAIL, true);
    const fresh = (tail - from) >>> 0;
    const count = Math.min(fresh, CONSOLE_RING_BYTES);
    let text = "";
    for (let i = count; i > 0; i--)
      text += String.fromCharCode(
        this.#memory.u8[this.#page + RING + (((tail - i) >>> 0) % CONSOLE_RING_BYTES)],
      );
    return { text, tail, missed: fresh - count };
  }

  #emit(cell: string | null, character: number): void {
    this.#sinks.uart?.(character);
    if (character === LF) this.#sinks.uart?.(CR);
    if (this.#page !== undefined) {
      const tail = this.#memory.view.getUint32(this.#page + TAIL, true);
      this.#memory.u8[this.#page + RING + (tail % CONSOLE_RING_BYTES)] = character;
      this.#memory.view.setUint32(this.#page + TAIL, tail + 1, true);
    }
    const line = this.#lines.get(cell) ?? "";
    if (character === LF) {
      this.#lines.delete(cell);
      this.#sinks.line(cell, line);
    } else if (character !== CR) this.#lines.set(cell, line + String.fromCharCode(character));
  }

  #setBusy(busy: number): void {
    if (this.#page !== undefined) this.#memory.view.setUint32(this.#page + BUSY, busy, true);
  }
}

/**
 * The interrupt-remapping table of VT-d: each chip and device that sends
 * interrupts is given a run of entries. The machine delivers messages without
 * remapping; what matters here is who gets entries, and that they run out.
 */
import { formatBdf } from "../config/builders/devices.ts";
import type { Release } from "./release.ts";

/** The table's size is a power of two below 2^16. */
export const MAXIMUM_INTERRUPTS = 32768;

interface Reservation {
  readonly owner: object;
  readonly source: number;
  readonly index: number;
  readonly count: number;
}

export class InterruptRemappingTable {
  readonly #entries: number;
  readonly #release: Release;
  readonly #print: (line: string) => void;
  /** Ascending by index. */
  #reservations: Reservation[] = [];

  /** @param limit entries wanted, at most {@link MAXIMUM_INTERRUPTS} */
  constructor(limit: number, release: Release, print: (line: string) => void) {
    this.#entries = 2 ** Math.ceil(Math.log2(Math.max(limit, 1)));
    this.#release = release;
    this.#print = print;
  }

  /**
   * Reserves the lowest free run for a chip or device of a cell.
   * @param source requester id: bus, device and function
   * @returns false if no run is free
   */
  reserve(owner: object, source: number, count: number): boolean {
    if (count === 0) return true;
    let index = 0;
    let position = 0;
    for (; position < this.#reservations.length; position++) {
      const next = this.#reservations[position];
      if (next.index - index >= count) break;
      index = next.index + next.count;
    }
    if (index + count > this.#entries) return false;
    this.#reservations.splice(position, 0, { owner, source, index, count });
    this.#print(`Reserving ${this.#describe(source, count, index)}`);
    return true;
  }

  /** Gives back what a device of a cell had. */
  free(owner: object, source: number): void {
    const kept = this.#reservations.filter((each) => {
      if (each.owner !== owner || each.source !== source) return true;
      this.#print(`Freeing ${this.#describe(source, each.count, each.index)}`);
      return false;
    });
    this.#reservations = kept;
  }

  /** Gives back all that a cell had, without a word. */
  freeAll(owner: object): void {
    this.#reservations = this.#reservations.filter((each) => each.owner !== owner);
  }

  #describe(source: number, count: number, index: number): string {
    const bdf = source & 0xffff;
    const device = this.#release.interruptLineNamesFunction
      ? formatBdf(bdf)
      : bdf.toString(16).padStart(4, "0");
    return `${count} interrupt(s) for device ${device} at index ${index}`;
  }
}

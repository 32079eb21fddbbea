/** What a chip offers to the buses, to its neighbours and to a snapshot. */

import type { Width } from "../engine/vcpu.ts";

export type PortWidth = 1 | 2 | 4;

/** A chip in the 64 KiB of I/O ports. It is only handed ports that it claimed. */
export interface PortDevice {
  /** @returns unsigned value of `width` bytes */
  portRead(port: number, width: PortWidth): number;
  /** @param value unsigned, `width` bytes */
  portWrite(port: number, width: PortWidth, value: number): void;
}

/** Where a memory read leaves its result: unsigned low and high 32 bits. An engine's exit is one. */
export interface ReadResult {
  lo: number;
  hi: number;
}

/** A chip in guest-physical space. Offsets count from the start of its range; no access leaves the range. */
export interface MemoryDevice {
  memoryRead(offset: number, width: Width, result: ReadResult): void;
  /** `hi` is 0 unless `width` is 8. */
  memoryWrite(offset: number, width: Width, lo: number, hi: number): void;
}

/**
 * Whatever goes into a snapshot. `State` is plain data: structured-clonable and free of references
 * to the chip. `load` re-arms timers and drives the chip's output lines again, so chips are loaded
 * before the interrupt controllers they drive.
 */
export interface Stateful<State> {
  save(): State;
  load(state: State): void;
}

/** A wire into an interrupt controller. Setting the level it already has is harmless. */
export interface InterruptLine {
  set(level: boolean): void;
}

/** Where a chip's output goes, one byte at a time. */
export type ByteSink = (byte: number) => void;

/** A wire that leads nowhere. */
export const UNCONNECTED: InterruptLine = { set() {} };

/** `count` wires that share one input: it is asserted while any of them is. */
export function wiredOr(line: InterruptLine, count: number): InterruptLine[] {
  let asserted = 0;
  return Array.from({ length: count }, (_, n) => ({
    set(level: boolean) {
      asserted = level ? asserted | (1 << n) : asserted & ~(1 << n);
      line.set(asserted !== 0);
    },
  }));
}

/** One wire to several inputs. */
export function fanOut(...lines: InterruptLine[]): InterruptLine {
  return {
    set(level: boolean) {
      for (const line of lines) line.set(level);
    },
  };
}

/** Memory regions smaller than a page: dispatched access by access (hypervisor interface, 7.6). */
import type { Width } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { ReadResult } from "../machine/device.ts";
import type { Cpu } from "./cpu.ts";
import type { Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import { physicalRead, physicalWrite } from "./physical-access.ts";
import type { Region } from "./regions.ts";

export class SubPageRegion implements MmioHandler {
  readonly region: Region;
  readonly range: Range;
  readonly #board: Board;

  constructor(board: Board, region: Region) {
    this.#board = board;
    this.region = region;
    this.range = { start: region.virtual, size: region.size };
  }

  read(_cpu: Cpu, offset: number, width: Width, result: ReadResult): Violation | undefined {
    if (!this.region.flags.read || !this.#permits(offset, width))
      return this.#violation("read", offset, width);
    physicalRead(this.#board, this.region.physical + offset, width, result);
    return undefined;
  }

  write(_cpu: Cpu, offset: number, width: Width, lo: number, hi: number): Violation | undefined {
    if (!this.region.flags.write || !this.#permits(offset, width))
      return this.#violation("write", offset, width);
    physicalWrite(this.#board, this.region.physical + offset, width, lo, hi);
    return undefined;
  }

  #permits(offset: number, width: Width): boolean {
    const { flags } = this.region;
    const widthPermitted =
      width === 1 ? flags.io8 : width === 2 ? flags.io16 : width === 4 ? flags.io32 : flags.io64;
    return widthPermitted && (flags.ioUnaligned || offset % width === 0);
  }

  #violation(direction: "read" | "write", offset: number, width: Width): Violation {
    const address = (this.region.physical + offset).toString(16);
    return `FATAL: Invalid MMIO ${direction}, address: ${address}, size: ${width.toString(16)}`;
  }
}

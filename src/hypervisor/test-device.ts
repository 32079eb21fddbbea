/**
 * The test page behind a cell's communication region (hypervisor interface,
 * 7.12): its last 8 bytes are a register that lies in the communication page.
 */
import type { Width } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { ReadResult } from "../machine/device.ts";
import type { CommRegion } from "./comm-region.ts";
import type { Cpu } from "./cpu.ts";
import { PAGE_SIZE, type Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import { physicalRead, physicalWrite } from "./physical-access.ts";

const REGISTER = 0xff8;

export class TestDevice implements MmioHandler {
  readonly range: Range;
  readonly #board: Board;
  readonly #comm: CommRegion;

  /** @param commAddress where the cell sees its communication region */
  constructor(board: Board, comm: CommRegion, commAddress: number) {
    this.#board = board;
    this.#comm = comm;
    this.range = { start: commAddress + PAGE_SIZE, size: PAGE_SIZE };
  }

  read(_cpu: Cpu, offset: number, width: Width, result: ReadResult): Violation | undefined {
    if (offset < REGISTER) return violation("read", offset, width);
    physicalRead(this.#board, this.#comm.page + offset, width, result);
    return undefined;
  }

  write(_cpu: Cpu, offset: number, width: Width, lo: number, hi: number): Violation | undefined {
    if (offset < REGISTER) return violation("write", offset, width);
    physicalWrite(this.#board, this.#comm.page + offset, width, lo, hi);
    return undefined;
  }
}

function violation(direction: "read" | "write", offset: number, width: Width): Violation {
  return `testdev: invalid ${direction}, register ${offset.toString(16)}, size ${width}`;
}

import type { Core } from "./core.ts";
import { CS, RECORDS_START, RIP, SEGMENT_BASE, segmentField } from "./state.ts";

/** V8 folds no imported constants. */
const BLOCK_START = RIP;

/** A record that is no instruction's: what RIP says, and nothing of a block is left. */
export const AT_RIP = RECORDS_START;

/**
 * Where the instruction of a record is. Word 1 of a record: distance from the
 * block's start in bits 15:0, length in 19:16, instructions left in the block
 * including this one in 31:20.
 */
export function packPosition(offset: number, length: number, left: number): number {
  return offset | (length << 16) | (left << 20);
}

function position(core: Core, record: number): number {
  return core.linearView.getUint32(record + 4, true);
}

/** Instruction pointers wrap at 4 GiB outside 64-bit mode. */
function wrapped(core: Core, rip: number): number {
  return core.is64 ? rip : rip >>> 0;
}

export function instructionRip(core: Core, record: number): number {
  return wrapped(core, core.address(BLOCK_START) + (position(core, record) & 0xffff));
}

export function nextRip(core: Core, record: number): number {
  const word = position(core, record);
  return wrapped(core, core.address(BLOCK_START) + (word & 0xffff) + ((word >> 16) & 15));
}

/** Instructions of the block not yet retired, this one included. */
export function instructionsLeft(core: Core, record: number): number {
  return position(core, record) >>> 20;
}

/** Linear address of an offset in the code segment. */
export function codeLinear(core: Core, rip: number): number {
  return core.is64 ? rip : (core.get(segmentField(CS, SEGMENT_BASE)) + rip) >>> 0;
}

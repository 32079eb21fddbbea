import type { Core } from "../core.ts";
import {
  Descriptor,
  isNullSelector,
  TYPE_CALL_GATE_16,
  TYPE_CALL_GATE_32,
  TYPE_LDT,
  TYPE_TASK_GATE,
  TYPE_TSS_16,
  TYPE_TSS_16_BUSY,
  TYPE_TSS_32,
  TYPE_TSS_32_BUSY,
} from "../descriptor.ts";
import { stackBits } from "../mode.ts";
import { nextRip } from "../position.ts";
import { loadSegment } from "../segments.ts";
import { Leave, MODE, RIP, SEGMENT_BYTES, SEGMENTS, SS, VALUE } from "../state.ts";
import { peek, RSP, setStackPointer } from "../transfer-stack.ts";
import type { Helpers } from "./helpers.ts";

const descriptor = new Descriptor();

const ZERO_FLAG = 0x40;

/** Change ZF only. */
function setZero(core: Core, zero: boolean): number {
  const flags = core.rflags();
  core.setRflags(zero ? flags | ZERO_FLAG : flags & ~ZERO_FLAG);
  return Leave.none;
}

/** After SS was loaded interrupts and #DB wait for one instruction, so that the stack pointer can follow. */
function afterLoading(core: Core, index: number, next: number): number {
  if (index !== SS) return Leave.none;
  core.setAddress(RIP, next);
  return Leave.stackShadow;
}

/** System descriptors that LAR tells about, by mode. */
function hasRights(core: Core, type: number): boolean {
  switch (type) {
    case TYPE_LDT:
    case TYPE_TSS_32:
    case TYPE_TSS_32_BUSY:
    case TYPE_CALL_GATE_32:
      return true;
    case TYPE_TSS_16:
    case TYPE_TSS_16_BUSY:
    case TYPE_CALL_GATE_16:
    case TYPE_TASK_GATE:
      return !core.isLong;
    default:
      return false;
  }
}

/** System descriptors that have a limit. */
function hasLimit(core: Core, type: number): boolean {
  return (
    type !== TYPE_CALL_GATE_32 &&
    type !== TYPE_CALL_GATE_16 &&
    type !== TYPE_TASK_GATE &&
    hasRights(core, type)
  );
}

/** Read the descriptor that VALUE names, if the program may know of it. */
function visible(core: Core, accepts: (core: Core, type: number) => boolean): boolean {
  const selector = core.get(VALUE) & 0xffff;
  if (isNullSelector(selector) || !descriptor.read(core, selector)) return false;
  if (descriptor.isSystem && !accepts(core, descriptor.type)) return false;
  if (descriptor.isConforming) return true;
  return core.cpl <= descriptor.privilege && (selector & 3) <= descriptor.privilege;
}

const never = (): boolean => false;

/** Rows: rows/segment.ts. Raised faults come before any change. */
export const SEGMENT_HELPERS: Helpers = {
  mov_to_segment: (core, record) => {
    const index = (core.linearView.getInt32(record + 8, true) - SEGMENTS) / SEGMENT_BYTES;
    const next = nextRip(core, record);
    loadSegment(core, index, core.get(VALUE) & 0xffff);
    return afterLoading(core, index, next);
  },

  pop_segment: (core, record) => {
    const word = core.get(VALUE);
    const index = word & 0xff;
    const next = nextRip(core, record);
    const bits = stackBits(core.get(MODE));
    loadSegment(core, index, peek(core, 0, 2));
    setStackPointer(core, core.address(RSP) + (word >> 8), bits);
    return afterLoading(core, index, next);
  },

  load_segment: (core) => {
    const word = core.get(VALUE);
    loadSegment(core, word >> 16, word & 0xffff);
    return Leave.none;
  },

  /** ZF = VALUE. */
  set_zero: (core) => setZero(core, core.get(VALUE) !== 0),

  lar: (core) => {
    const found = visible(core, hasRights);
    core.setAddress(VALUE, descriptor.hi & 0x00f0_ff00);
    core.set(VALUE + 8, found ? 1 : 0);
    return setZero(core, found);
  },

  lsl: (core) => {
    const found = visible(core, hasLimit);
    core.setAddress(VALUE, descriptor.limit);
    core.set(VALUE + 8, found ? 1 : 0);
    return setZero(core, found);
  },

  verr: (core) => setZero(core, visible(core, never) && descriptor.isReadable),
  verw: (core) => setZero(core, visible(core, never) && descriptor.isWritable),
};

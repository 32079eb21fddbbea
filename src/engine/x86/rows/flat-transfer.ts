import { setAll } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import { SYSTEM_FLAGS } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import { MODE_CPL_0, MODE_CPL_3 } from "../mode.ts";
import {
  CPL,
  CS,
  EFLAGS,
  MODE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_READ_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_WRITE_LIMIT,
  SUPERVISOR_TLB,
  SUPERVISOR_TLB_SET,
  segmentField,
  TLB,
  TLB_SET,
  USER_TLB,
} from "../state.ts";
import { USER } from "../tlb.ts";

/** What transfers between 64-bit code segments have in common, where nothing about them is special. */

const LIMIT = 0xffff_ffff;

/** Load a flat segment. Code may be read, data written as well. */
export function setFlat(
  i: Instruction,
  segment: number,
  selector: Value,
  attributes: number,
): void {
  const set = (field: number, value: number): void =>
    i.storeState(segmentField(segment, field), "i64", i.i64(value));
  set(SEGMENT_BASE, 0);
  set(SEGMENT_READ_LIMIT, LIMIT);
  set(SEGMENT_WRITE_LIMIT, segment === CS ? -1 : LIMIT);
  i.storeState(segmentField(segment, SEGMENT_LIMIT), "i32", i.i32(LIMIT));
  i.storeState(segmentField(segment, SEGMENT_SELECTOR), "i32", selector);
  i.storeState(segmentField(segment, SEGMENT_ATTRIBUTES), "i32", i.i32(attributes));
}

/** Of two privilege levels of 64-bit mode, with RFLAGS.AC clear: what follows from the new one. */
export function setPrivilege(i: Instruction, cpl: 0 | 3): void {
  const others = i.decoded.mode & ~(MODE_CPL_0 | MODE_CPL_3);
  i.storeState(CPL, "i32", i.i32(cpl));
  i.storeState(MODE, "i32", i.i32(others | (cpl === 0 ? MODE_CPL_0 : MODE_CPL_3)));
  i.storeState(TLB, "i32", i.loadState(cpl === 0 ? SUPERVISOR_TLB : USER_TLB, "i32"));
  const set = cpl === 0 ? i.loadState(SUPERVISOR_TLB_SET, "i32") : i.i32(USER);
  i.storeState(TLB_SET, "i32", set);
}

export function setFlags(i: Instruction, image: Value): void {
  setAll(i, image);
  i.storeState(EFLAGS, "i32", i.op("i32.and", image, i.i32(SYSTEM_FLAGS)));
}

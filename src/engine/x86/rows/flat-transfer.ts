import { setAll } from "../../micro/flags.ts";
import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { SYSTEM_FLAGS } from "../control-bits.ts";
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
export function setFlat(l: Lift, segment: number, selector: Value, attributes: number): void {
  const set = (field: number, value: number): void =>
    l.storeState(segmentField(segment, field), "i64", l.i64(value));
  set(SEGMENT_BASE, 0);
  set(SEGMENT_READ_LIMIT, LIMIT);
  set(SEGMENT_WRITE_LIMIT, segment === CS ? -1 : LIMIT);
  l.storeState(segmentField(segment, SEGMENT_LIMIT), "i32", l.i32(LIMIT));
  l.storeState(segmentField(segment, SEGMENT_SELECTOR), "i32", selector);
  l.storeState(segmentField(segment, SEGMENT_ATTRIBUTES), "i32", l.i32(attributes));
}

/** Of two privilege levels of 64-bit mode, with RFLAGS.AC clear: what follows from the new one. */
export function setPrivilege(l: Lift, cpl: 0 | 3): void {
  const others = l.op("i32.and", l.loadState(MODE, "i32"), l.i32(~(MODE_CPL_0 | MODE_CPL_3)));
  const level = l.i32(cpl === 0 ? MODE_CPL_0 : MODE_CPL_3);
  l.storeState(CPL, "i32", l.i32(cpl));
  l.storeState(MODE, "i32", l.op("i32.or", others, level));
  l.storeState(TLB, "i32", l.loadState(cpl === 0 ? SUPERVISOR_TLB : USER_TLB, "i32"));
  const set = cpl === 0 ? l.loadState(SUPERVISOR_TLB_SET, "i32") : l.i32(USER);
  l.storeState(TLB_SET, "i32", set);
}

export function setFlags(l: Lift, image: Value): void {
  setAll(l, image);
  l.storeState(EFLAGS, "i32", l.op("i32.and", image, l.i32(SYSTEM_FLAGS)));
}

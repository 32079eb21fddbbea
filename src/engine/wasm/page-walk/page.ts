import { CR0_WP } from "../../x86/control-bits.ts";
import { CR0, PDE_CACHE, PDE_TAG, TLB_SET } from "../../x86/state.ts";
import { SUPERVISOR, SUPERVISOR_SMAP, USER } from "../../x86/tlb.ts";
import {
  CACHED,
  COMMON,
  CPU,
  DIRTY,
  ENTRY,
  FAULT_PROTECTION,
  FAULT_RESERVED,
  FRAME,
  HOST,
  LINEAR,
  MAY_USE,
  MAY_WRITE,
  NEEDED,
  OFFSETS,
  PRESENT,
  pageFault,
  RESERVED,
  SLOT,
  TABLE,
  UPPER_COMMON,
  type Walk,
  WRITABLE,
  WRITES,
} from "./walk.ts";

/** Reads the page's entry, of 8 bytes; TABLE becomes the page. */
export function readPageEntry(walk: Walk): void {
  const { code } = walk;
  // what the upper levels have in common is noted later
  code.get(COMMON).op("i32.wrap_i64").set(UPPER_COMMON);
  code.get(HOST).load("i64").tee(ENTRY);
  code.op("i32.wrap_i64").get(NEEDED).op("i32.and").get(NEEDED).op("i32.ne");
  code.get(ENTRY).get(RESERVED).op("i64.and").op("i64.eqz").op("i32.eqz");
  code.op("i32.or").if(() => {
    walkAnew(walk);
    code.get(ENTRY).op("i32.wrap_i64").i32(PRESENT).op("i32.and");
    code.if(() => pageFault(code, FAULT_PROTECTION | FAULT_RESERVED));
    pageFault(code, 0);
  });
  code.get(ENTRY).get(COMMON).op("i64.and").set(COMMON);
  code.get(OFFSETS).i64(-1n).op("i64.xor").i64(FRAME).op("i64.and");
  code.get(ENTRY).op("i64.and").set(TABLE);
}

/**
 * If where the page's entry is was cached, forget that and walk from the top: entries above it may
 * have come to allow more, and a page fault forgets what led to it (4.10.4.1).
 */
export function walkAnew({ code, self }: Walk): void {
  code.get(CACHED);
  code.if(() => {
    code
      .get(CACHED)
      .i64(0n)
      .store("i64", PDE_CACHE + PDE_TAG);
    code.get(CPU).get(LINEAR).get(WRITES).returnCall(self);
  });
}

/** What all entries allow (4.6), by the TLB set in use: that says who accesses. */
export function checkRights(walk: Walk): void {
  const { code } = walk;
  const set = SLOT;
  const forbid = (): void => {
    walkAnew(walk);
    pageFault(code, FAULT_PROTECTION);
  };
  code.get(CPU).load("i32", TLB_SET).set(set);
  // user code may use its pages only, and the supervisor under SMAP only others
  code.get(COMMON).op("i32.wrap_i64");
  code.get(set).i32(SUPERVISOR_SMAP).op("i32.eq").i32(Math.log2(MAY_USE)).op("i32.shl");
  code.op("i32.xor").i32(MAY_USE).op("i32.and").op("i32.eqz");
  code.get(set).i32(SUPERVISOR).op("i32.ne").op("i32.and").if(forbid);
  // both need the right to write; but not the supervisor without CR0.WP
  code.get(COMMON).op("i32.wrap_i64").i32(MAY_WRITE).op("i32.and");
  code.get(set).i32(USER).op("i32.ne");
  code.get(CPU).load("i32", CR0).i32(CR0_WP).op("i32.and").op("i32.eqz");
  code.op("i32.and").op("i32.or").set(WRITABLE);
  code.get(WRITES);
  code.if(
    () => code.get(WRITABLE).op("i32.eqz").if(forbid),
    () => {
      // the first write sets the dirty bit
      code.get(ENTRY).op("i32.wrap_i64").i32(DIRTY).op("i32.and").op("i32.eqz");
      code.if(() => code.i32(0).set(WRITABLE));
    },
  );
}

import { READ, WRITE } from "../../vcpu.ts";
import { CR0_PG, CR4_PAE } from "../../x86/control-bits.ts";
import { CR0, CR4, REGIONS, WATCHING } from "../../x86/state.ts";
import { Assembler } from "../assembler.ts";
import type { Signature } from "../module-builder.ts";
import { noteEntry, useCached } from "./cached-entry.ts";
import { manyLevels, twoLevels } from "./levels.ts";
import { fill, mark, noteLargePage } from "./outcome.ts";
import { checkRights, readPageEntry } from "./page.ts";
import { locate, useRegion } from "./regions.ts";
import {
  ACCESSED,
  COMMON,
  CPU,
  DIRTY,
  ENTRY,
  giveUp,
  HOST,
  LEAF,
  LINEAR,
  MARKS,
  OFFSETS,
  PDE,
  PHYSICAL,
  RIGHTS,
  SLOT,
  TABLE,
  type Walk,
  WRITABLE,
  WRITES,
} from "./walk.ts";

/**
 * Fills the TLB for an access to data: (vCPU base, linear address, whether it writes) -> address of
 * the entry, which is even; or, if it is a page fault, an odd number: PAGE_FAULT and the error code
 * above it; or 0 where x86/paging.ts has to look. That defines what a translation is; here is what is
 * nobody else's to decide, and changes no decoded code. Nothing is changed if not.
 */
export const PAGE_WALK: Signature = { parameters: ["i32", "i64", "i32"], results: ["i32"] };

/**
 * @param find index of `findRegion` of regions.ts
 * @param self index that the function itself will have
 * @param ramOffset byte in linear memory of host-physical address 0
 */
export function pageWalk(find: number, self: number, ramOffset: number): Assembler {
  const code = new Assembler();
  code
    .i32(ACCESSED | DIRTY)
    .i32(ACCESSED)
    .get(WRITES)
    .select()
    .set(MARKS);
  useRegion(code, () => code.get(CPU).i32(REGIONS).op("i32.add"));
  const walk: Walk = { code, find, self, ramOffset };
  code.block(() => {
    code.block(() => {
      code.block(() => {
        useCached(code, 0);
        code.get(CPU).load("i32", WATCHING);
        code.get(LINEAR).i64(16n).op("i64.shl").i64(16n).op("i64.shr_s").get(LINEAR).op("i64.ne");
        code.op("i32.or").if(() => giveUp(code));
        unpaged(code, 2);
        code.i64(-1n).set(COMMON);
        code.get(CPU).load("i32", CR4).i32(CR4_PAE).op("i32.and").op("i32.eqz");
        code.if(() => twoLevels(walk, 2));
        manyLevels(walk);
      });
      readPageEntry(walk);
    });
    checkRights(walk);
    code.get(LINEAR).get(OFFSETS).op("i64.and").get(TABLE).op("i64.or").set(PHYSICAL);
    code.get(HOST).set(LEAF);
  });
  locate(walk);
  code.get(RIGHTS).i32(WRITE).i32(READ).get(WRITES).select().op("i32.and").op("i32.eqz");
  code.if(() => giveUp(code));
  mark(walk);
  noteEntry(code);
  noteLargePage(code);
  fill(walk);
  return code.get(SLOT);
}

/** Without paging a linear address is a physical one: out of `depth` blocks. */
function unpaged(code: Assembler, depth: number): void {
  code
    .get(CPU)
    .load("i32", CR0)
    .i32(CR0_PG | 0)
    .op("i32.and")
    .op("i32.eqz");
  code.if(() => {
    code.get(LINEAR).set(PHYSICAL);
    code.i64(-1n).set(ENTRY);
    code.i32(1).set(WRITABLE);
    code.i32(0).set(PDE);
    code.branch(depth + 1);
  });
}

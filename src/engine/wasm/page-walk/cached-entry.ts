import { WRITE } from "../../vcpu.ts";
import {
  PDE_BYTES,
  PDE_CACHE,
  PDE_COUNT,
  PDE_GENERATION,
  PDE_HOST,
  PDE_INDEX,
  PDE_OFFSETS,
  PDE_RESERVED,
  PDE_RIGHTS,
  PDE_TAG,
} from "../../x86/state.ts";
import type { Assembler } from "../assembler.ts";
import { entryOffset } from "./entries.ts";
import {
  ACCESSED,
  CACHED,
  COMMON,
  CPU,
  HOST,
  INDEX,
  LEAF,
  LINEAR,
  NEEDED,
  OFFSETS,
  OWNER,
  PDE,
  RESERVED,
  UPPER_COMMON,
} from "./walk.ts";

/** If it is known where the page's entry is: locals of it, and out of `depth` blocks. */
export function useCached(code: Assembler, depth: number): void {
  code.get(LINEAR).i64(21n).op("i64.shr_u").op("i32.wrap_i64");
  code
    .i32(PDE_COUNT - 1)
    .op("i32.and")
    .i32(Math.log2(PDE_BYTES))
    .op("i32.shl");
  code
    .get(CPU)
    .op("i32.add")
    .tee(PDE)
    .load("i64", PDE_CACHE + PDE_TAG);
  code.get(LINEAR).i64(-0x20_0000n).op("i64.and");
  code.get(CPU).load("i64.32u", PDE_GENERATION).op("i64.or").op("i64.eq");
  code.if(() => {
    code
      .get(PDE)
      .load("i64", PDE_CACHE + PDE_RESERVED)
      .set(RESERVED);
    code
      .get(PDE)
      .load("i64.32u", PDE_CACHE + PDE_OFFSETS)
      .set(OFFSETS);
    code
      .get(PDE)
      .load("i32", PDE_CACHE + PDE_RIGHTS)
      .tee(NEEDED)
      .op("i64.extend_i32_u");
    code.set(COMMON);
    code.get(NEEDED).i32(8).op("i32.shr_u").set(NEEDED);
    entryOffset(code, 8, 12, 9);
    code
      .op("i32.wrap_i64")
      .get(PDE)
      .load("i32", PDE_CACHE + PDE_INDEX)
      .op("i32.and");
    code
      .get(PDE)
      .load("i32", PDE_CACHE + PDE_HOST)
      .op("i32.add")
      .set(HOST);
    code.i32(WRITE).set(OWNER);
    code.get(PDE).set(CACHED);
    code.i32(0).set(PDE);
    code.branch(depth + 1);
  });
}

/** What a walk from the top has found: where the page's entry is. */
export function noteEntry(code: Assembler): void {
  const field = (store: "i32" | "i64", offset: number, push: () => void): void => {
    code.get(PDE);
    push();
    code.store(store, PDE_CACHE + offset);
  };
  code.get(PDE);
  code.if(() => {
    // marks in it need no look at its region then
    code.get(OWNER).i32(WRITE).op("i32.and");
    code.if(() => {
      field("i64", PDE_TAG, () => {
        code.get(LINEAR).i64(-0x20_0000n).op("i64.and");
        code.get(CPU).load("i64.32u", PDE_GENERATION).op("i64.or");
      });
      field("i64", PDE_RESERVED, () => code.get(RESERVED));
      field("i32", PDE_OFFSETS, () => code.get(OFFSETS).op("i32.wrap_i64"));
      field("i32", PDE_INDEX, () => code.get(INDEX));
      field("i32", PDE_HOST, () => {
        // of a page table, its beginning
        code.get(LEAF).get(INDEX).i32(-1).op("i32.xor").op("i32.and");
      });
      field("i32", PDE_RIGHTS, () => {
        code.get(UPPER_COMMON).i32(0xff).op("i32.and").i32(ACCESSED).op("i32.or");
        code.get(NEEDED).i32(8).op("i32.shl").op("i32.or");
      });
    });
  });
}

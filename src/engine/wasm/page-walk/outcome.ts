import { READ, WRITE } from "../../vcpu.ts";
import {
  CODE_MAP,
  LARGE_PAGES,
  LARGE_PAGES_BITS,
  TLB,
  TLB_ADDEND,
  TLB_GROUP_BYTES,
  TLB_READ_TAG,
  TLB_SETS,
  TLB_USED,
  TLB_WRITE_TAG,
} from "../../x86/state.ts";
import {
  GIANT_PAGE,
  GIANT_PAGE_SHIFT,
  LARGE_PAGE_HASH,
  LARGE_PAGE_NUMBERS,
  LARGE_PAGE_SHIFT,
} from "../../x86/tlb.ts";
import type { Assembler } from "../assembler.ts";
import { tlbEntry } from "../tlb-code.ts";
import { checkMarkable } from "./entries.ts";
import {
  ACCESSED,
  CPU,
  ENTRY,
  HOST,
  LEAF,
  LINEAR,
  MARKS,
  OFFSETS,
  offsetBits,
  RIGHTS,
  SLOT,
  UNMARKED,
  UPPER,
  type Walk,
  WRITABLE,
} from "./walk.ts";

/** Accessed bits of upper levels, accessed and dirty bit of the page. */
export function mark(walk: Walk): void {
  const { code } = walk;
  const set = (host: number, bits: () => void): void => {
    code.get(host).get(host).load("i32");
    bits();
    code.op("i32.or").store("i32");
  };
  code.get(ENTRY).op("i32.wrap_i64").get(MARKS).op("i32.and").get(MARKS).op("i32.ne");
  code.if(() => {
    checkMarkable(walk, LEAF);
    set(LEAF, () => code.get(MARKS));
  });
  code.get(UNMARKED);
  code.if(() => {
    for (const upper of UPPER) code.get(upper).if(() => set(upper, () => code.i32(ACCESSED)));
  });
}

/** As `Tlb.noteLargePage`. */
export function noteLargePage(code: Assembler): void {
  code.get(OFFSETS).i64(offsetBits(12)).op("i64.gt_u");
  code.if(() => noteLarger(code));
}

function noteLarger(code: Assembler): void {
  const note = (shift: number, more: number): void => {
    code.get(LINEAR).i64(BigInt(shift)).op("i64.shr_u").op("i32.wrap_i64");
    code.i32(LARGE_PAGE_NUMBERS).op("i32.and").i32(more).op("i32.or");
    code
      .i32(LARGE_PAGE_HASH | 0)
      .op("i32.mul")
      .i32(32 - LARGE_PAGES_BITS)
      .op("i32.shr_u");
    code.set(SLOT);
    setBit(code, LARGE_PAGES, SLOT);
  };
  code.get(OFFSETS).i64(offsetBits(GIANT_PAGE_SHIFT)).op("i64.eq");
  code.if(
    () => note(GIANT_PAGE_SHIFT, GIANT_PAGE),
    () => note(LARGE_PAGE_SHIFT, 0),
  );
}

/** Sets a bit, whose number is in a local, of those at an offset in the state. */
function setBit(code: Assembler, offset: number, bit: number): void {
  code.get(CPU).get(bit).i32(3).op("i32.shr_u").op("i32.add").tee(MARKS);
  code.get(MARKS).load("i32.8u", offset);
  code.i32(1).get(bit).i32(7).op("i32.and").op("i32.shl").op("i32.or");
  code.store("i32.8", offset);
}

/** As `Tlb.fill`. */
export function fill({ code, ramOffset }: Walk): void {
  const page = (): void => {
    code.get(LINEAR).i64(-4096n).op("i64.and");
  };
  tlbEntry(code, LINEAR).get(CPU).load("i32", TLB).op("i32.add").tee(SLOT);
  page();
  code.i64(-1n).get(RIGHTS).i32(READ).op("i32.and").select().store("i64", TLB_READ_TAG);
  code.get(SLOT);
  page();
  // bit 0: stores must look for code
  code.get(HOST).i32(ramOffset).op("i32.sub").i32(12).op("i32.shr_u").i32(3).op("i32.shl");
  code.load("i64", CODE_MAP).op("i64.eqz").op("i32.eqz").op("i64.extend_i32_u").op("i64.or");
  code.i64(-1n).get(RIGHTS).i32(WRITE).op("i32.and").i32(0).get(WRITABLE).select();
  code.select().store("i64", TLB_WRITE_TAG);
  code.get(SLOT).get(HOST).get(LINEAR).op("i32.wrap_i64").op("i32.sub").store("i32", TLB_ADDEND);
  code.get(SLOT).get(CPU).i32(TLB_SETS).op("i32.add").op("i32.sub");
  code.i32(Math.log2(TLB_GROUP_BYTES)).op("i32.shr_u").set(HOST);
  setBit(code, TLB_USED, HOST);
}

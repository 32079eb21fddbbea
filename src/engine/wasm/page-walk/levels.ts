import { CR4_PSE, EFER_LMA, EFER_NXE } from "../../x86/control-bits.ts";
import { CR3, CR4, EFER } from "../../x86/state.ts";
import { checkReserved, descend, findEntry, ifLarge, readEntry } from "./entries.ts";
import {
  COMMON,
  CPU,
  ENTRY,
  FAULT_PROTECTION,
  FAULT_RESERVED,
  FRAME,
  giveUp,
  INDEX,
  LARGE,
  type LargePage,
  LINEAR,
  NEEDED,
  NO_EXECUTE,
  OFFSETS,
  offsetBits,
  PAGE_1G,
  PAGE_2M,
  PAGE_4M,
  PDE,
  PRESENT,
  pageFault,
  RESERVED,
  RESERVED_ADDRESS,
  RESERVED_PAE,
  RESERVED_POINTER,
  TABLE,
  TABLE_INDEX,
  UPPER,
  type Walk,
} from "./walk.ts";

/** Paging of 32 bits (Intel SDM vol. 3, 4.3): out of `depth` blocks with the page's entry. */
export function twoLevels(walk: Walk, depth: number): void {
  const { code } = walk;
  const found = (shift: number, more: number): void => {
    code.get(ENTRY).get(COMMON).op("i64.and").set(COMMON);
    code.i64(offsetBits(shift)).set(OFFSETS);
    code.branch(depth + more);
  };
  code.i32(0).set(PDE);
  code
    .get(LINEAR)
    .i64(32n)
    .op("i64.shr_u")
    .op("i64.eqz")
    .op("i32.eqz")
    .if(() => giveUp(code));
  code.get(CPU).load("i64.32u", CR3).i64(0xffff_f000n).op("i64.and").set(TABLE);
  findEntry(walk, 4, 22, 10);
  readEntry(code, "i64.32u");
  ifLarge(code, () => {
    code.get(CPU).load("i32", CR4).i32(CR4_PSE).op("i32.and");
    code.if(() => {
      checkReserved(code, () => code.i64(PAGE_4M.reserved));
      // bits 39:32 of the address are in 20:13
      code.get(ENTRY).i64(0x1f_e000n).op("i64.and").i64(19n).op("i64.shl");
      code.get(ENTRY).i64(0xffc0_0000n).op("i64.and").op("i64.or").set(TABLE);
      found(PAGE_4M.shift, 2);
    });
  });
  descend(walk, UPPER[0] as number);
  findEntry(walk, 4, 12, 10);
  readEntry(code, "i64.32u");
  code.get(ENTRY).i64(0xffff_f000n).op("i64.and").set(TABLE);
  found(12, 0);
}

/** PAE paging and 4-level paging (4.4, 4.5), as far as to where the page's entry is. Inside a block. */
export function manyLevels(walk: Walk): void {
  const { code } = walk;
  const read = (): void => {
    readEntry(code, "i64");
    checkReserved(code, () => code.get(RESERVED));
  };
  const ifPage = ({ shift, reserved }: LargePage, depth: number): void =>
    ifLarge(code, () => {
      code.get(RESERVED).i64(reserved).op("i64.or").set(RESERVED);
      code.i64(offsetBits(shift)).set(OFFSETS);
      code.i32(PRESENT | LARGE).set(NEEDED);
      code.branch(depth + 1);
    });
  code.i64(RESERVED_ADDRESS).i64(RESERVED_ADDRESS | NO_EXECUTE);
  code.get(CPU).load("i32", EFER).i32(EFER_NXE).op("i32.and").select().set(RESERVED);
  code.get(CPU).load("i32", EFER).i32(EFER_LMA).op("i32.and");
  code.if(
    () => {
      code.get(CPU).load("i64", CR3).i64(FRAME).op("i64.and").set(TABLE);
      findEntry(walk, 8, 39, 9);
      read();
      ifLarge(code, () => pageFault(code, FAULT_PROTECTION | FAULT_RESERVED));
      descend(walk, UPPER[0] as number);
      findEntry(walk, 8, 30, 9);
      read();
      ifPage(PAGE_1G, 1);
      descend(walk, UPPER[1] as number);
    },
    () => {
      code.get(CPU).load("i64.32u", CR3).i64(0xffff_ffe0n).op("i64.and").set(TABLE);
      findEntry(walk, 8, 30, 2);
      readEntry(code, "i64");
      checkReserved(code, () => code.i64(RESERVED_POINTER));
      code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
      code.get(RESERVED).i64(RESERVED_PAE).op("i64.or").set(RESERVED);
    },
  );
  findEntry(walk, 8, 21, 9);
  read();
  ifPage(PAGE_2M, 0);
  descend(walk, UPPER[2] as number);
  findEntry(walk, 8, 12, 9);
  code.i64(offsetBits(12)).set(OFFSETS);
  code.i32(TABLE_INDEX).set(INDEX);
  code.i32(PRESENT).set(NEEDED);
}

import { PHYSICAL_ADDRESS_BITS } from "../../x86/paging.ts";
import { TLB_SET } from "../../x86/state.ts";
import { USER } from "../../x86/tlb.ts";
import type { Assembler } from "../assembler.ts";
import type { ValueType } from "../module-builder.ts";

/** What the parts of a page walk share: its locals, bits of entries, and how it ends without an entry. */
export interface Walk {
  readonly code: Assembler;
  /** Indices of functions: that which finds regions, and the walk. */
  readonly find: number;
  readonly self: number;
  /** Byte in linear memory of host-physical address 0. */
  readonly ramOffset: number;
}

/** Parameters; then locals: 64-bit ones first. */
export const [CPU, LINEAR, WRITES] = [0, 1, 2];
/** The entry at hand; the guest-physical address of its table, later of the page that it is of. */
export const [ENTRY, TABLE] = [3, 4];
/** A guest-physical address that is looked for, and where it is in linear memory. */
export const PHYSICAL = 5;
export const HOST = 13;
/** Bits that all entries have. */
export const COMMON = 6;
/** Bits that an entry must not have. */
export const RESERVED = 7;
/** Bits of a linear address that are the page's own. */
export const OFFSETS = 8;
/** The region at hand: first byte and size; what to add for the place in linear memory; rights. */
export const [GUEST, SIZE] = [9, 10];
export const [ADDEND, RIGHTS] = [11, 12];
/** Where entries of upper levels are, which may have to be marked as accessed; 0: none. */
export const UPPER = [14, 15, 16];
/** Where the page's entry is; 0: there is no paging. */
export const LEAF = 17;
/** Bits that an access sets in an entry. */
export const MARKS = 18;
export const SLOT = 19;
/** Writes need no walk. */
export const WRITABLE = 20;
/** Rights of the region that the entry at hand is in. */
export const OWNER = 21;
/** Some upper level has not been accessed yet. */
export const UNMARKED = 22;
/** Address of the cached page-directory entry, bits of an entry's offset, and what an entry must have. */
export const [PDE, INDEX, NEEDED] = [23, 24, 25];
/** COMMON of the upper levels, low 32 bits. */
export const UPPER_COMMON = 26;
/** The same as PDE if it told where the page's entry is, or 0. */
export const CACHED = 27;
export const PAGE_WALK_LOCALS: readonly ValueType[] = [
  ...new Array<ValueType>(8).fill("i64"),
  ...new Array<ValueType>(17).fill("i32"),
];

export const PRESENT = 1;
export const MAY_WRITE = 2;
export const MAY_USE = 4;
export const ACCESSED = 0x20;
export const DIRTY = 0x40;
export const LARGE = 0x80;
/** Bits of error codes. */
export const FAULT_PROTECTION = 1;
export const FAULT_WRITES = 2;
export const FAULT_USER = 4;
export const FAULT_RESERVED = 8;
export const NO_EXECUTE = 1n << 63n;
export const ADDRESS_BITS = 1n << BigInt(PHYSICAL_ADDRESS_BITS);
export const FRAME = ADDRESS_BITS - 0x1000n;
/** Bits that 64-bit entries reserve: of the address, in PAE paging, and there at the top. */
export const RESERVED_ADDRESS = (1n << 52n) - ADDRESS_BITS;
export const RESERVED_PAE = 0x7ff0_0000_0000_0000n;
export const RESERVED_POINTER = (1n << 64n) - ADDRESS_BITS + 0x1e6n;
/** Bits of an entry's offset in a table of 512. */
export const TABLE_INDEX = 0xff8;

/** Larger pages, and the bits that their entries reserve besides. */
export interface LargePage {
  readonly shift: number;
  readonly reserved: bigint;
}
export const PAGE_1G: LargePage = { shift: 30, reserved: 0x3fff_e000n };
export const PAGE_2M: LargePage = { shift: 21, reserved: 0x1f_e000n };
export const PAGE_4M: LargePage = { shift: 22, reserved: 0x20_0000n };

export const offsetBits = (shift: number): bigint => (1n << BigInt(shift)) - 1n;

export const giveUp = (code: Assembler): void => {
  code.i32(0).return();
};

/** The result of a walk that ends in a page fault: this bit, and how far the error code is shifted. */
export const PAGE_FAULT = 1;
export const PAGE_FAULT_SHIFT = 1;

/** Error code (4.7): these bits, and who accesses. */
export function pageFault(code: Assembler, bits: number): void {
  const above = (bit: number): number => Math.log2(bit) + PAGE_FAULT_SHIFT;
  code.get(WRITES).i32(above(FAULT_WRITES)).op("i32.shl");
  code.get(CPU).load("i32", TLB_SET).i32(USER).op("i32.eq");
  code.i32(above(FAULT_USER)).op("i32.shl").op("i32.or");
  code
    .i32((bits << PAGE_FAULT_SHIFT) | PAGE_FAULT)
    .op("i32.or")
    .return();
}

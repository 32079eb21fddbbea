import { READ, WRITE } from "../vcpu.ts";
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PSE, EFER_LMA, EFER_NXE } from "../x86/control-bits.ts";
import { PHYSICAL_ADDRESS_BITS } from "../x86/paging.ts";
import {
  CODE_MAP,
  CR0,
  CR3,
  CR4,
  EFER,
  LARGE_PAGES,
  LARGE_PAGES_BITS,
  REGION_ADDEND,
  REGION_BYTES,
  REGION_COUNT,
  REGION_GUEST,
  REGION_RIGHTS,
  REGION_SIZE,
  REGIONS,
  TLB,
  TLB_ADDEND,
  TLB_GROUP_BYTES,
  TLB_READ_TAG,
  TLB_SET_BYTES,
  TLB_SETS,
  TLB_USED,
  TLB_WRITE_TAG,
  WATCHING,
} from "../x86/state.ts";
import {
  GIANT_PAGE,
  GIANT_PAGE_SHIFT,
  LARGE_PAGE_HASH,
  LARGE_PAGE_NUMBERS,
  LARGE_PAGE_SHIFT,
  SUPERVISOR_SMAP,
  USER,
} from "../x86/tlb.ts";
import { Assembler } from "./assembler.ts";
import type { Signature, ValueType } from "./module-builder.ts";
import { isCode, tlbEntry } from "./tlb-code.ts";

/**
 * Fills the TLB for an access to data: (vCPU base, linear address, whether it writes) -> address of
 * the entry, or 0 where x86/paging.ts has to look. That defines what a translation is; here is what
 * raises nothing, is nobody else's to decide, and changes no decoded code. Nothing is changed if not.
 */
export const PAGE_WALK: Signature = { parameters: ["i32", "i64", "i32"], results: ["i32"] };

const [CPU, LINEAR, WRITES] = [0, 1, 2];
/** The paging-structure entry at hand, where the table begins that it is in, and both as they are found. */
const [ENTRY, TABLE, PHYSICAL] = [3, 4, 5];
/** Rights that all entries give, if their accessed bits are set, too: what they have in common. */
const COMMON = 6;
const RESERVED = 7;
/** Bits of the linear address that are the page's own. */
const OFFSETS = 8;
/** The region at hand: first byte and size; what to add for the place in linear memory; rights. */
const [GUEST, SIZE] = [9, 10];
const [ADDEND, RIGHTS] = [11, 12];
/** Place in linear memory of what is at PHYSICAL. */
const HOST = 13;
/** Where entries of upper levels are, and the last one; 0: none. */
const UPPER = [14, 15, 16];
const LEAF = 17;
const FLAGS = 18;
/** TLB set, and entry of it. */
const [SET, SLOT] = [19, 20];
const WRITABLE = 21;
export const PAGE_WALK_LOCALS: readonly ValueType[] = [
  ...new Array<ValueType>(8).fill("i64"),
  ...new Array<ValueType>(11).fill("i32"),
];

const PRESENT = 1;
const MAY_WRITE = 2;
const MAY_USE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const NO_EXECUTE = 1n << 63n;
const ADDRESS_BITS = 1n << BigInt(PHYSICAL_ADDRESS_BITS);
const FRAME = ADDRESS_BITS - 0x1000n;
/** Bits that 64-bit entries reserve: of the address, in PAE paging, and there at the top. */
const RESERVED_ADDRESS = (1n << 52n) - ADDRESS_BITS;
const RESERVED_PAE = 0x7ff0_0000_0000_0000n;
const RESERVED_POINTER = (1n << 64n) - ADDRESS_BITS + 0x1e6n;

/** A page, by what its entry reserves as well as a smaller one's. */
interface LargePage {
  readonly shift: number;
  readonly reserved: bigint;
}
const PAGE_1G: LargePage = { shift: 30, reserved: 0x3fff_e000n };
const PAGE_2M: LargePage = { shift: 21, reserved: 0x1f_e000n };
const PAGE_4M: LargePage = { shift: 22, reserved: 0x20_0000n };

const giveUp = (code: Assembler): void => {
  code.i32(0).return();
};

/** Where the region list has a guest-physical address: (vCPU base, address) -> address of the region, or 0. */
export const FIND_REGION: Signature = { parameters: ["i32", "i64"], results: ["i32"] };
export const FIND_REGION_LOCALS: readonly ValueType[] = ["i32"];

export function findRegion(): Assembler {
  const code = new Assembler();
  const [cpu, physical, left] = [0, 1, 2];
  code.i32(REGION_COUNT).set(left);
  return code
    .loop(() => {
      code
        .get(physical)
        .get(cpu)
        .load("i64", REGIONS + REGION_GUEST)
        .op("i64.sub");
      code
        .get(cpu)
        .load("i64", REGIONS + REGION_SIZE)
        .op("i64.lt_u");
      code.if(() => code.get(cpu).i32(REGIONS).op("i32.add").return());
      code.get(cpu).i32(REGION_BYTES).op("i32.add").set(cpu);
      code.get(left).i32(1).op("i32.sub").tee(left).branchIf(0);
    })
    .i32(0);
}

/**
 * @param find index of {@link findRegion}
 * @param ramOffset byte in linear memory of host-physical address 0
 */
export function pageWalk(find: number, ramOffset: number): Assembler {
  const code = new Assembler();
  code.get(CPU).load("i32", WATCHING);
  code.get(LINEAR).i64(16n).op("i64.shl").i64(16n).op("i64.shr_s").get(LINEAR).op("i64.ne");
  code.op("i32.or").if(() => giveUp(code));
  code.get(CPU).load("i32", TLB).set(SET);
  useRegion(code, () => code.get(CPU).i32(REGIONS).op("i32.add"));
  code.block(() => {
    code
      .get(CPU)
      .load("i32", CR0)
      .i32(CR0_PG | 0)
      .op("i32.and")
      .op("i32.eqz");
    code.if(() => {
      code.get(LINEAR).set(PHYSICAL);
      code.i32(1).set(WRITABLE).branch(1);
    });
    code.i64(-1n).set(COMMON);
    code.block(() => {
      code.get(CPU).load("i32", CR4).i32(CR4_PAE).op("i32.and").op("i32.eqz");
      code.if(() => twoLevels(code, find, ramOffset, 1));
      manyLevels(code, find, ramOffset, 0);
    });
    code.get(HOST).set(LEAF);
    code.get(OFFSETS).i64(-1n).op("i64.xor").get(TABLE).op("i64.and");
    code.get(LINEAR).get(OFFSETS).op("i64.and").op("i64.or").set(PHYSICAL);
    checkRights(code);
    noteLargePage(code);
  });
  locate(code, find);
  code.get(RIGHTS).i32(WRITE).i32(READ).get(WRITES).select().op("i32.and").op("i32.eqz");
  code.if(() => giveUp(code));
  mark(code);
  fill(code, ramOffset);
  return code.get(SLOT);
}

/** Locals from a region, whose address `push` pushes. */
function useRegion(code: Assembler, push: () => void): void {
  push();
  code.tee(SLOT).load("i64", REGION_GUEST).set(GUEST);
  code.get(SLOT).load("i64", REGION_SIZE).set(SIZE);
  code.get(SLOT).load("i32", REGION_ADDEND).set(ADDEND);
  code.get(SLOT).load("i32", REGION_RIGHTS).set(RIGHTS);
}

/** Sets HOST to where PHYSICAL is, and the region's locals. */
function locate(code: Assembler, find: number): void {
  code.get(PHYSICAL).get(GUEST).op("i64.sub").get(SIZE).op("i64.ge_u");
  code.if(() => {
    code.get(CPU).get(PHYSICAL).call(find).tee(SLOT).op("i32.eqz");
    code.if(() => giveUp(code));
    useRegion(code, () => code.get(SLOT));
  });
  code.get(PHYSICAL).op("i32.wrap_i64").get(ADDEND).op("i32.add").set(HOST);
}

/** Reads the present entry of a linear address in TABLE. */
function readEntry(
  code: Assembler,
  find: number,
  bytes: 4 | 8,
  shift: number,
  indexBits: number,
): void {
  const log = bytes === 8 ? 3 : 2;
  code
    .get(LINEAR)
    .i64(BigInt(shift - log))
    .op("i64.shr_u");
  code.i64(BigInt(((1 << indexBits) - 1) << log)).op("i64.and");
  code.get(TABLE).op("i64.add").set(PHYSICAL);
  locate(code, find);
  code
    .get(HOST)
    .load(bytes === 8 ? "i64" : "i64.32u")
    .set(ENTRY);
  code.get(ENTRY).op("i32.wrap_i64").i32(PRESENT).op("i32.and").op("i32.eqz");
  code.if(() => giveUp(code));
}

/** No such bits. @param push pushes them */
function checkReserved(code: Assembler, push: () => void): void {
  code.get(ENTRY);
  push();
  code
    .op("i64.and")
    .op("i64.eqz")
    .op("i32.eqz")
    .if(() => giveUp(code));
}

/** The entry's rights are those of all so far; its bits in FLAGS are set or can be, without anyone knowing. */
function useEntry(code: Assembler, ramOffset: number): void {
  code.get(ENTRY).get(COMMON).op("i64.and").set(COMMON);
  code.get(ENTRY).op("i32.wrap_i64").get(FLAGS).op("i32.and").get(FLAGS).op("i32.ne");
  code.if(() => {
    code.get(RIGHTS).i32(WRITE).op("i32.and").op("i32.eqz");
    isCode(code, HOST, ramOffset);
    code.op("i32.or").if(() => giveUp(code));
  });
}

/** The entry is that of an upper level: TABLE becomes the next. */
function descend(code: Assembler, ramOffset: number, upper: number): void {
  code.i32(ACCESSED).set(FLAGS);
  useEntry(code, ramOffset);
  code.get(HOST).set(upper);
  code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
}

/** The entry is that of a page at TABLE: leaves `depth` blocks. */
function reachPage(code: Assembler, ramOffset: number, shift: number, depth: number): void {
  code
    .i32(ACCESSED | DIRTY)
    .i32(ACCESSED)
    .get(WRITES)
    .select()
    .set(FLAGS);
  useEntry(code, ramOffset);
  code.i64((1n << BigInt(shift)) - 1n).set(OFFSETS);
  code.branch(depth);
}

function ifLarge(code: Assembler, then: () => void): void {
  code.get(ENTRY).op("i32.wrap_i64").i32(LARGE).op("i32.and").if(then);
}

/** Paging of 32 bits (Intel SDM vol. 3, 4.3). */
function twoLevels(code: Assembler, find: number, ramOffset: number, depth: number): void {
  code
    .get(LINEAR)
    .i64(32n)
    .op("i64.shr_u")
    .op("i64.eqz")
    .op("i32.eqz")
    .if(() => giveUp(code));
  code.get(CPU).load("i64.32u", CR3).i64(0xffff_f000n).op("i64.and").set(TABLE);
  readEntry(code, find, 4, 22, 10);
  ifLarge(code, () => {
    code.get(CPU).load("i32", CR4).i32(CR4_PSE).op("i32.and");
    code.if(() => {
      checkReserved(code, () => code.i64(PAGE_4M.reserved));
      // bits 39:32 of the address are in 20:13
      code.get(ENTRY).i64(0x1f_e000n).op("i64.and").i64(19n).op("i64.shl");
      code.get(ENTRY).i64(0xffc0_0000n).op("i64.and").op("i64.or").set(TABLE);
      reachPage(code, ramOffset, PAGE_4M.shift, depth + 2);
    });
  });
  descend(code, ramOffset, UPPER[0] as number);
  readEntry(code, find, 4, 12, 10);
  code.get(ENTRY).i64(0xffff_f000n).op("i64.and").set(TABLE);
  reachPage(code, ramOffset, 12, depth);
}

/** PAE paging and 4-level paging (4.4, 4.5). */
function manyLevels(code: Assembler, find: number, ramOffset: number, depth: number): void {
  code.i64(RESERVED_ADDRESS).i64(RESERVED_ADDRESS | NO_EXECUTE);
  code.get(CPU).load("i32", EFER).i32(EFER_NXE).op("i32.and").select().set(RESERVED);
  const level = (shift: number, large: LargePage | undefined, inside: number): void => {
    readEntry(code, find, 8, shift, 9);
    checkReserved(code, () => code.get(RESERVED));
    if (large === undefined) return;
    ifLarge(code, () => {
      checkReserved(code, () => code.i64(large.reserved));
      code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
      reachPage(code, ramOffset, large.shift, depth + inside + 1);
    });
  };
  code.get(CPU).load("i32", EFER).i32(EFER_LMA).op("i32.and");
  code.if(
    () => {
      code.get(CPU).load("i64", CR3).i64(FRAME).op("i64.and").set(TABLE);
      level(39, undefined, 1);
      ifLarge(code, () => giveUp(code)); // reserved there
      descend(code, ramOffset, UPPER[0] as number);
      level(30, PAGE_1G, 1);
      descend(code, ramOffset, UPPER[1] as number);
    },
    () => {
      code.get(CPU).load("i64.32u", CR3).i64(0xffff_ffe0n).op("i64.and").set(TABLE);
      readEntry(code, find, 8, 30, 2);
      checkReserved(code, () => code.i64(RESERVED_POINTER));
      code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
      code.get(RESERVED).i64(RESERVED_PAE).op("i64.or").set(RESERVED);
    },
  );
  level(21, PAGE_2M, 0);
  descend(code, ramOffset, UPPER[2] as number);
  level(12, undefined, 0);
  code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
  reachPage(code, ramOffset, 12, depth);
}

/** Push whether the set in use is one of them. */
function isSet(code: Assembler, set: number): void {
  code.get(SET).get(CPU).op("i32.sub");
  code.i32(TLB_SETS + set * TLB_SET_BYTES).op("i32.eq");
}

/** What all entries allow (4.6); sets WRITABLE to whether later writes need no walk. */
function checkRights(code: Assembler): void {
  const common = (bit: number): void => {
    code.get(COMMON).op("i32.wrap_i64").i32(bit).op("i32.and");
  };
  common(MAY_WRITE);
  code.set(WRITABLE);
  isSet(code, USER);
  code.if(
    () => {
      common(MAY_USE);
      code.op("i32.eqz").if(() => giveUp(code));
    },
    () => {
      common(MAY_USE);
      code.op("i32.eqz").op("i32.eqz");
      isSet(code, SUPERVISOR_SMAP);
      code.op("i32.and").if(() => giveUp(code));
      code.get(CPU).load("i32", CR0).i32(CR0_WP).op("i32.and").op("i32.eqz");
      code.if(() => code.i32(1).set(WRITABLE));
    },
  );
  code.get(WRITES);
  code.if(
    () =>
      code
        .get(WRITABLE)
        .op("i32.eqz")
        .if(() => giveUp(code)),
    () => {
      code.get(ENTRY).op("i32.wrap_i64").i32(DIRTY).op("i32.and").op("i32.eqz");
      code.if(() => code.i32(0).set(WRITABLE));
    },
  );
}

/** As `Tlb.noteLargePage`. */
function noteLargePage(code: Assembler): void {
  const note = (shift: number, more: number): void => {
    code.get(LINEAR).i64(BigInt(shift)).op("i64.shr_u").op("i32.wrap_i64");
    code.i32(LARGE_PAGE_NUMBERS).op("i32.and").i32(more).op("i32.or");
    code
      .i32(LARGE_PAGE_HASH | 0)
      .op("i32.mul")
      .i32(32 - LARGE_PAGES_BITS)
      .op("i32.shr_u")
      .set(SLOT);
    setBit(code, LARGE_PAGES, SLOT);
  };
  code.get(OFFSETS).i64(0xfffn).op("i64.gt_u");
  code.if(() => {
    code
      .get(OFFSETS)
      .i64((1n << BigInt(GIANT_PAGE_SHIFT)) - 1n)
      .op("i64.eq");
    code.if(
      () => note(GIANT_PAGE_SHIFT, GIANT_PAGE),
      () => note(LARGE_PAGE_SHIFT, 0),
    );
  });
}

/** Sets a bit of those at an offset in the state. */
function setBit(code: Assembler, offset: number, bit: number): void {
  code.get(CPU).get(bit).i32(3).op("i32.shr_u").op("i32.add").tee(FLAGS);
  code.get(FLAGS).load("i32.8u", offset);
  code.i32(1).get(bit).i32(7).op("i32.and").op("i32.shl").op("i32.or");
  code.store("i32.8", offset);
}

/** Accessed bits of upper levels, accessed and dirty bit of the page. */
function mark(code: Assembler): void {
  const set = (host: number): void => {
    code.get(host).get(host).load("i32").get(FLAGS).op("i32.or").store("i32");
  };
  code.get(LEAF);
  code.if(() => {
    code.get(COMMON).op("i32.wrap_i64").i32(ACCESSED).op("i32.and").op("i32.eqz");
    code.if(() => {
      code.i32(ACCESSED).set(FLAGS);
      for (const upper of UPPER) code.get(upper).if(() => set(upper));
    });
    code
      .i32(ACCESSED | DIRTY)
      .i32(ACCESSED)
      .get(WRITES)
      .select()
      .tee(FLAGS);
    code.get(ENTRY).op("i32.wrap_i64").i32(-1).op("i32.xor").op("i32.and");
    code.if(() => set(LEAF));
  });
}

/** As `Tlb.fill`. */
function fill(code: Assembler, ramOffset: number): void {
  const tag = (offset: number, granted: () => void, value: () => void): void => {
    code.get(SLOT);
    value();
    code.i64(-1n);
    granted();
    code.select().store("i64", offset);
  };
  const page = (): void => {
    code.get(LINEAR).i64(-4096n).op("i64.and");
  };
  tlbEntry(code, LINEAR).get(SET).op("i32.add").set(SLOT);
  tag(TLB_READ_TAG, () => code.get(RIGHTS).i32(READ).op("i32.and"), page);
  tag(
    TLB_WRITE_TAG,
    () => code.get(RIGHTS).i32(WRITE).op("i32.and").i32(0).get(WRITABLE).select(),
    () => {
      page();
      // bit 0: stores must look for code
      code.get(HOST).i32(ramOffset).op("i32.sub").i32(12).op("i32.shr_u").i32(3).op("i32.shl");
      code.load("i64", CODE_MAP).op("i64.eqz").op("i32.eqz").op("i64.extend_i32_u").op("i64.or");
    },
  );
  code.get(SLOT).get(HOST).get(LINEAR).op("i32.wrap_i64").op("i32.sub").store("i32", TLB_ADDEND);
  code.get(SLOT).get(CPU).i32(TLB_SETS).op("i32.add").op("i32.sub");
  code.i32(Math.log2(TLB_GROUP_BYTES)).op("i32.shr_u").set(HOST);
  setBit(code, TLB_USED, HOST);
}

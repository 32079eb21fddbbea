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
  TLB_SET,
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
  SUPERVISOR,
  SUPERVISOR_SMAP,
  USER,
} from "../x86/tlb.ts";
import { Assembler } from "./assembler.ts";
import type { Signature, ValueType } from "./module-builder.ts";
import { isCode, tlbEntry } from "./tlb-code.ts";

/**
 * Fills the TLB for an access to data: (vCPU base, linear address, whether it writes) -> address of
 * the entry, which is even; or, if it is a page fault, an odd number: PAGE_FAULT and the error code
 * above it; or 0 where x86/paging.ts has to look. That defines what a translation is; here is what is
 * nobody else's to decide, and changes no decoded code. Nothing is changed if not.
 */
export const PAGE_WALK: Signature = { parameters: ["i32", "i64", "i32"], results: ["i32"] };

const [CPU, LINEAR, WRITES] = [0, 1, 2];
/** The entry at hand; the guest-physical address of its table, later of the page that it is of. */
const [ENTRY, TABLE] = [3, 4];
/** A guest-physical address that is looked for, and where it is in linear memory. */
const PHYSICAL = 5;
const HOST = 13;
/** Bits that all entries have. */
const COMMON = 6;
/** Bits that an entry must not have. */
const RESERVED = 7;
/** Bits of a linear address that are the page's own. */
const OFFSETS = 8;
/** The region at hand: first byte and size; what to add for the place in linear memory; rights. */
const [GUEST, SIZE] = [9, 10];
const [ADDEND, RIGHTS] = [11, 12];
/** Where entries of upper levels are, which may have to be marked as accessed; 0: none. */
const UPPER = [14, 15, 16];
/** Where the page's entry is; 0: there is no paging. */
const LEAF = 17;
/** Bits that an access sets in an entry. */
const MARKS = 18;
const SLOT = 19;
/** Writes need no walk. */
const WRITABLE = 20;
/** Rights of the region that the entry at hand is in. */
const OWNER = 21;
/** Some upper level has not been accessed yet. */
const UNMARKED = 22;
/** Address of the cached page-directory entry, bits of an entry's offset, and what an entry must have. */
const [PDE, INDEX, NEEDED] = [23, 24, 25];
/** COMMON of the upper levels, low 32 bits. */
const UPPER_COMMON = 26;
/** The same as PDE if it told where the page's entry is, or 0. */
const CACHED = 27;
export const PAGE_WALK_LOCALS: readonly ValueType[] = [
  ...new Array<ValueType>(8).fill("i64"),
  ...new Array<ValueType>(17).fill("i32"),
];

const PRESENT = 1;
const MAY_WRITE = 2;
const MAY_USE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
/** Bits of error codes. */
const FAULT_PROTECTION = 1;
const FAULT_WRITES = 2;
const FAULT_USER = 4;
const FAULT_RESERVED = 8;
const NO_EXECUTE = 1n << 63n;
const ADDRESS_BITS = 1n << BigInt(PHYSICAL_ADDRESS_BITS);
const FRAME = ADDRESS_BITS - 0x1000n;
/** Bits that 64-bit entries reserve: of the address, in PAE paging, and there at the top. */
const RESERVED_ADDRESS = (1n << 52n) - ADDRESS_BITS;
const RESERVED_PAE = 0x7ff0_0000_0000_0000n;
const RESERVED_POINTER = (1n << 64n) - ADDRESS_BITS + 0x1e6n;
/** Bits of an entry's offset in a table of 512. */
const TABLE_INDEX = 0xff8;

/** Larger pages, and the bits that their entries reserve besides. */
interface LargePage {
  readonly shift: number;
  readonly reserved: bigint;
}
const PAGE_1G: LargePage = { shift: 30, reserved: 0x3fff_e000n };
const PAGE_2M: LargePage = { shift: 21, reserved: 0x1f_e000n };
const PAGE_4M: LargePage = { shift: 22, reserved: 0x20_0000n };

const offsetBits = (shift: number): bigint => (1n << BigInt(shift)) - 1n;

const giveUp = (code: Assembler): void => {
  code.i32(0).return();
};

/** The result of a walk that ends in a page fault: this bit, and how far the error code is shifted. */
export const PAGE_FAULT = 1;
export const PAGE_FAULT_SHIFT = 1;

/** Error code (4.7): these bits, and who accesses. */
function pageFault(code: Assembler, bits: number): void {
  const above = (bit: number): number => Math.log2(bit) + PAGE_FAULT_SHIFT;
  code.get(WRITES).i32(above(FAULT_WRITES)).op("i32.shl");
  code.get(CPU).load("i32", TLB_SET).i32(USER).op("i32.eq");
  code.i32(above(FAULT_USER)).op("i32.shl").op("i32.or");
  code
    .i32((bits << PAGE_FAULT_SHIFT) | PAGE_FAULT)
    .op("i32.or")
    .return();
}

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
  fill(walk);
  return code.get(SLOT);
}

interface Walk {
  readonly code: Assembler;
  readonly find: number;
  readonly self: number;
  readonly ramOffset: number;
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
function locate({ code, find }: Walk): void {
  code.get(PHYSICAL).get(GUEST).op("i64.sub").get(SIZE).op("i64.ge_u");
  code.if(() => {
    code.get(CPU).get(PHYSICAL).call(find).tee(SLOT).op("i32.eqz");
    code.if(() => giveUp(code));
    useRegion(code, () => code.get(SLOT));
  });
  code.get(PHYSICAL).op("i32.wrap_i64").get(ADDEND).op("i32.add").set(HOST);
}

/** If it is known where the page's entry is: locals of it, and out of `depth` blocks. */
function useCached(code: Assembler, depth: number): void {
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

/** Push an entry's distance from the beginning of its table, i64. */
function entryOffset(code: Assembler, bytes: 4 | 8, shift: number, indexBits: number): void {
  const log = bytes === 8 ? 3 : 2;
  code
    .get(LINEAR)
    .i64(BigInt(shift - log))
    .op("i64.shr_u");
  code.i64(BigInt(((1 << indexBits) - 1) << log)).op("i64.and");
}

/** Sets HOST to where the entry of the linear address in TABLE is. */
function findEntry(walk: Walk, bytes: 4 | 8, shift: number, indexBits: number): void {
  const { code } = walk;
  entryOffset(code, bytes, shift, indexBits);
  code.get(TABLE).op("i64.add").set(PHYSICAL);
  locate(walk);
  code.get(RIGHTS).set(OWNER);
}

/** Reads the entry at HOST, which must be present. */
function readEntry(code: Assembler, load: "i64" | "i64.32u"): void {
  code.get(HOST).load(load).tee(ENTRY);
  code
    .op("i32.wrap_i64")
    .i32(PRESENT)
    .op("i32.and")
    .op("i32.eqz")
    .if(() => giveUp(code));
}

/** The entry has no such bits. @param push pushes them */
function checkReserved(code: Assembler, push: () => void): void {
  code.get(ENTRY);
  push();
  code
    .op("i64.and")
    .op("i64.eqz")
    .op("i32.eqz")
    .if(() => giveUp(code));
}

function ifLarge(code: Assembler, then: () => void): void {
  code.get(ENTRY).op("i32.wrap_i64").i32(LARGE).op("i32.and").if(then);
}

/** Gives up unless the entry at `host` may be marked without anybody knowing. */
function checkMarkable({ code, ramOffset }: Walk, host: number): void {
  code.get(OWNER).i32(WRITE).op("i32.and").op("i32.eqz");
  isCode(code, host, ramOffset)
    .op("i32.or")
    .if(() => giveUp(code));
}

/** The entry is that of an upper level: TABLE becomes the next. */
function descend(walk: Walk, upper: number): void {
  const { code } = walk;
  code.get(ENTRY).get(COMMON).op("i64.and").set(COMMON);
  code.get(ENTRY).op("i32.wrap_i64").i32(ACCESSED).op("i32.and").op("i32.eqz");
  code.if(() => {
    checkMarkable(walk, HOST);
    code.i32(1).set(UNMARKED);
  });
  code.get(HOST).set(upper);
  code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
}

/** Paging of 32 bits (Intel SDM vol. 3, 4.3): out of `depth` blocks with the page's entry. */
function twoLevels(walk: Walk, depth: number): void {
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
function manyLevels(walk: Walk): void {
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

/** Reads the page's entry, of 8 bytes; TABLE becomes the page. */
function readPageEntry(walk: Walk): void {
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
function walkAnew({ code, self }: Walk): void {
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
function checkRights(walk: Walk): void {
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

/** Accessed bits of upper levels, accessed and dirty bit of the page. */
function mark(walk: Walk): void {
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

/** What a walk from the top has found: where the page's entry is, and that the page is a larger one. */
function noteEntry(code: Assembler): void {
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
  code.get(OFFSETS).i64(offsetBits(12)).op("i64.gt_u");
  code.if(() => noteLargePage(code));
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
function fill({ code, ramOffset }: Walk): void {
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

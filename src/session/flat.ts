/** Puts a bare CPU into a mode in which flat code runs at once, without any set-up of its own. */
import type { GuestMemory } from "../engine/guest-memory.ts";
import type { Registers, Segment } from "../engine/vcpu.ts";
import type { RamRange } from "./sparse-ram.ts";

/** 16: real mode; 32: protected mode, flat segments, no paging; 64: long mode, identity-mapped. */
export type FlatMode = 16 | 32 | 64;

/** Where flat code stands if nothing is said: the boot sector's place, and the first megabyte's end. */
export const DEFAULT_FLAT_ADDRESS: Readonly<Record<FlatMode, number>> = {
  16: 0x7c00,
  32: 0x100000,
  64: 0x100000,
};

/** First free byte above the stack, which grows down to address 0. */
export const STACK_TOP = 0x7000;

/** Descriptor table, then page tables: one page of each level, four page directories of 2 MiB pages. */
const PAGE_TABLES_OFFSET = 0x1000;
/**
 * Bytes at the end of RAM that {@link enterFlatMode} writes in the 32 and 64-bit modes: out of the
 * way of code, which may stand anywhere below.
 */
export const FLAT_TABLE_BYTES = PAGE_TABLES_OFFSET + 6 * 0x1000;

/** Privilege level of flat code. */
export type FlatPrivilege = 0 | 3;

/** Present, accessed, code readable or data writable, DPL 0; limit 4 GiB. Code is 32 bit (D) or 64 bit (L). */
const CODE_DESCRIPTOR = { 32: 0x00cf9b000000ffffn, 64: 0x00af9b000000ffffn };
const DATA_DESCRIPTOR = 0x00cf93000000ffffn;
const DPL_3 = 3n << 45n;

/** By privilege level; those of level 3 are where Linux has them. */
const SELECTORS = {
  0: { code: { 32: 0x08, 64: 0x08 }, data: 0x10 },
  3: { code: { 32: 0x23, 64: 0x33 }, data: 0x2b },
} as const;
const GDT_LIMIT = 7 * 8 - 1;

/** The global descriptor table as pairs of selector and descriptor. */
function descriptors(mode: 32 | 64): readonly (readonly [selector: number, bigint])[] {
  const { code, data } = SELECTORS[3];
  return [
    [SELECTORS[0].code[mode], CODE_DESCRIPTOR[mode]],
    [SELECTORS[0].data, DATA_DESCRIPTOR],
    [code[32], CODE_DESCRIPTOR[32] | DPL_3],
    [code[64], CODE_DESCRIPTOR[mode] | DPL_3],
    [data, DATA_DESCRIPTOR | DPL_3],
  ];
}

const GiB = 1024 ** 3;

const CR0_PE = 1n;
const CR0_ET = 1n << 4n;
const CR0_PG = 1n << 31n;
/** MP, NE, WP and AM: as every operating system sets them. */
const CR0_SYSTEM = (1n << 1n) | (1n << 5n) | (1n << 16n) | (1n << 18n);
const CR4_PAE = 1n << 5n;
/** OSFXSR, OSXMMEXCPT, FSGSBASE and OSXSAVE: whatever a program may want to use is enabled. */
const CR4_SYSTEM = (1n << 9n) | (1n << 10n) | (1n << 16n) | (1n << 18n);
/** x87, SSE, AVX. */
const XCR0 = 7n;
/** Reserved bit 1 and IF, as programs find them. */
const RFLAGS = 0x202n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;

/** Access rights word of a VMCS from a descriptor's bits 40..47 and 52..55. */
function segmentOf(selector: number, descriptor: bigint): Segment {
  return {
    selector,
    base: 0n,
    limit: 0xffffffff,
    attributes: Number(((descriptor >> 40n) & 0xffn) | ((descriptor >> 40n) & 0xf000n)),
  };
}

/** Flat 32-bit segments, as the multiboot specification also asks for. */
export function loadFlatSegments(
  registers: Registers,
  bits: 32 | 64,
  privilege: FlatPrivilege = 0,
): void {
  const { code, data } = SELECTORS[privilege];
  const level = privilege === 3 ? DPL_3 : 0n;
  registers.setSegment("cs", segmentOf(code[bits], CODE_DESCRIPTOR[bits] | level));
  for (const name of ["ss", "ds", "es", "fs", "gs"] as const)
    registers.setSegment(name, segmentOf(data, DATA_DESCRIPTOR | level));
}

/**
 * The state of a CPU after reset is assumed. What programs need of an operating system is set up in
 * every mode: x87 and vector instructions enabled, interrupts on.
 * @param ramBytes where RAM ends that begins at 0
 * @param ranges further RAM: in 64-bit mode the GiB around it are mapped to themselves too
 * @param privilege not looked at in real mode
 */
export function enterFlatMode(
  registers: Registers,
  memory: GuestMemory,
  mode: FlatMode,
  address: number,
  ramBytes: number,
  ranges: readonly RamRange[] = [],
  privilege: FlatPrivilege = 0,
): void {
  registers.set("rflags", RFLAGS);
  registers.set("rsp", BigInt(STACK_TOP));
  registers.set("rdx", 0n);
  // caches on, no emulation of the FPU: what firmware leaves behind
  registers.set("cr0", CR0_ET);
  registers.set("cr4", CR4_SYSTEM);
  registers.set("xcr0", XCR0);
  // as after FNINIT: the stack empty, every exception masked
  registers.fcw = 0x37f;
  registers.fsw = 0;
  registers.ftw = 0xffff;
  if (mode === 16) {
    enterRealMode(registers, address);
    return;
  }
  const gdt = ramBytes - FLAT_TABLE_BYTES;
  memory.bytes(gdt, GDT_LIMIT + 1).fill(0);
  for (const [selector, descriptor] of descriptors(mode))
    memory.view.setBigUint64(gdt + (selector & ~7), descriptor, true);
  registers.setGdtr({ base: BigInt(gdt), limit: GDT_LIMIT });
  registers.setIdtr({ base: 0n, limit: 0 });
  if (mode === 64) {
    const tables = gdt + PAGE_TABLES_OFFSET;
    writeIdentityMap(memory, tables, ranges);
    registers.set("cr3", BigInt(tables));
    registers.set("cr4", CR4_SYSTEM | CR4_PAE);
    registers.set("efer", EFER_LME | EFER_LMA);
    registers.set("cr0", CR0_SYSTEM | CR0_ET | CR0_PE | CR0_PG);
  } else registers.set("cr0", CR0_SYSTEM | CR0_ET | CR0_PE);
  loadFlatSegments(registers, mode, privilege);
  registers.set("rip", BigInt(address));
}

function enterRealMode(registers: Registers, address: number): void {
  // the highest segment of all reaches a little beyond the first MiB
  const base = Math.min(Math.floor(address / 0x10000) * 0x10000, 0xffff0);
  const segment = (from: number, attributes: number): Segment => ({
    selector: from >>> 4,
    base: BigInt(from),
    limit: 0xffff,
    attributes,
  });
  registers.setSegment("cs", segment(base, 0x9b));
  for (const name of ["ss", "ds", "es", "fs", "gs"] as const)
    registers.setSegment(name, segment(0, 0x93));
  registers.set("rip", BigInt(address - base));
}

/** Four GiB, each address to itself, and whole GiB around RAM beyond. */
function writeIdentityMap(memory: GuestMemory, tables: number, ranges: readonly RamRange[]): void {
  const PRESENT_WRITABLE_USER = 7;
  const LARGE = 0x80;
  const entry = (address: number, value: number) =>
    memory.view.setBigUint64(address, BigInt(value), true);
  const directories = tables + 0x2000;
  memory.bytes(tables, 0x2000).fill(0);
  entry(tables, tables + 0x1000 + PRESENT_WRITABLE_USER);
  for (let gib = 0; gib < 4; gib++)
    entry(tables + 0x1000 + gib * 8, directories + gib * 0x1000 + PRESENT_WRITABLE_USER);
  for (let page = 0; page < 4 * 512; page++)
    entry(directories + page * 8, page * 0x200000 + LARGE + PRESENT_WRITABLE_USER);
  for (const { address, size } of ranges)
    for (let gib = Math.max(4, Math.floor(address / GiB)); gib * GiB < address + size; gib++)
      entry(tables + 0x1000 + gib * 8, gib * GiB + LARGE + PRESENT_WRITABLE_USER);
}

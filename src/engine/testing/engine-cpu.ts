import { GuestMemory } from "../guest-memory.ts";
import { EXECUTE, type MemoryMap, type Moderator, READ, WRITE } from "../vcpu.ts";
import { WasmEngine } from "../wasm/engine.ts";
import { type Jit, usualJit } from "../wasm/regions/jit.ts";
import type { WasmVcpu } from "../wasm/vcpu.ts";
import { type SegmentCache, setCpl, setSegment } from "../x86/segments.ts";
import { setMxcsr } from "../x86/sse/mxcsr.ts";
import {
  CR2,
  CS,
  FS,
  GPR,
  GS,
  RIP,
  SEGMENT_BASE,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  X87,
  XCR0,
  XMM,
  YMM_UPPER,
} from "../x86/state.ts";
import {
  CONTROL_WORD,
  DATA_POINTER,
  DATA_SELECTOR,
  INSTRUCTION_POINTER,
  INSTRUCTION_SELECTOR,
  LAST_OPCODE,
  STATUS_WORD,
  TAGS,
} from "../x87/layout.ts";
import { AT, Batch, type Case, ENDLESS, NO_EXCEPTION, RECORD_BYTES } from "./case.ts";
import { CODE, CODE_BYTES, DATA, DATA_BYTES, LDT, MEMORY, MEMORY_BYTES } from "./layout.ts";

const HLT = 0xf4;
/** Of `run`: enough for an instruction, the HLT behind it and the deliveries of their exceptions. */
const BUDGET = 256;
/** Templates are never forgotten by an engine; beyond so many a new one is cheaper. */
const MAXIMUM_TEMPLATES = 12_000;

/** Host-physical places of the system's tables, and of what a case sees. */
const PAGE_TABLES = 0x1000;
const GDT = 0x8000;
const LDT_START = 0x8100;
const TSS = 0x8200;
const IDT = 0x9000;
const HANDLERS = 0xa000;
const STACK_TOP = 0xc000;
const CODE_FRAMES = 0x1_0000;
const DATA_FRAMES = 0x2_0000;
const RAM_BYTES = 0x10_0000;
/** RAM again, for the supervisor alone: in the half of the address space where a kernel is. */
const SUPERVISOR = -0x8000_0000_0000;

/** Linux's descriptors (arch/x86/include/asm/segment.h), low and high words, by selector. */
const DESCRIPTORS: readonly (readonly [number, number, number])[] = [
  [0x08, 0x0000_ffff, 0x00cf_9b00],
  [0x10, 0x0000_ffff, 0x00af_9b00],
  [0x18, 0x0000_ffff, 0x00cf_9300],
  [0x20, 0x0000_ffff, 0x00cf_fb00],
  [0x28, 0x0000_ffff, 0x00cf_f300],
  [0x30, 0x0000_ffff, 0x00af_fb00],
];
const GDT_LIMIT = 0x7f;
/** Vectors that user code may raise by INT: INT3 and INTO. */
const OPEN_VECTORS = [3, 4];

const PRESENT = 1;
const WRITABLE = 2;
const USER = 4;
const LARGE = 0x80;
const NO_EXECUTE = 0x8000_0000;

const NULL_SEGMENT: SegmentCache = { selector: 0, base: 0, limit: 0, attributes: 0x1_0000 };

/** The engine with the surroundings that silicon.c gives a case: runs cases, at CPL 3. */
export class EngineCpu {
  readonly #jit: Jit;
  #machine: Machine;

  constructor(jit: Jit = usualJit.mode) {
    this.#jit = jit;
    this.#machine = new Machine(jit);
  }

  /** Replaces a case by what comes of it. */
  run(record: Case): void {
    if (this.#machine.templates > MAXIMUM_TEMPLATES) this.#machine = new Machine(this.#jit);
    this.#machine.run(record);
  }
}

class Machine {
  readonly #memory = new GuestMemory(RAM_BYTES);
  readonly #engine: WasmEngine;
  readonly #vcpu: WasmVcpu;
  /** What stands in the code region. */
  readonly #placed = new Uint8Array(16);
  #placedLength = 0;
  #placedAt = 0;
  readonly #clean = new Uint8Array(DATA_BYTES);

  constructor(jit: Jit) {
    this.#engine = new WasmEngine(this.#memory, jit);
    const rights = READ | WRITE | EXECUTE;
    const region = { guest: 0, size: RAM_BYTES, host: 0, rights };
    const map: MemoryMap = { find: (address) => (address < RAM_BYTES ? region : undefined) };
    const moderator: Moderator = {
      exit: (_vcpu, exit) => (exit.kind === "hypercall" ? "undefined" : "native"),
    };
    const interrupts = { pending: () => -1, acknowledge: () => 0, taskPriority: 0 };
    this.#vcpu = this.#engine.createVcpu(0, { map, moderator, interrupts });
    this.#pageTables();
    this.#systemTables();
    this.#memory.u8.fill(HLT, CODE_FRAMES, CODE_FRAMES + CODE_BYTES);
    this.#memory.u8.fill(HLT, HANDLERS, HANDLERS + 256);
    const { registers, core } = this.#vcpu;
    registers.set("cr3", BigInt(PAGE_TABLES));
    // PAE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, OSXSAVE
    registers.set("cr4", 0x5_0e20n);
    // SCE, LME, LMA, NXE
    registers.set("efer", 0xd01n);
    // PG, AM, WP, NE, ET, MP, PE
    registers.set("cr0", 0x8005_0033n);
    core.setBig(XCR0, 7n);
    registers.setGdtr({ base: BigInt(SUPERVISOR + GDT), limit: GDT_LIMIT });
    registers.setIdtr({ base: BigInt(SUPERVISOR + IDT), limit: 0xfff });
    const system = { selector: 0x40, base: BigInt(SUPERVISOR + TSS), limit: 0x67 };
    registers.setSegment("tr", { ...system, attributes: 0x8b });
    registers.setSegment("ldtr", {
      selector: 0x50,
      base: BigInt(SUPERVISOR + LDT_START),
      limit: LDT.length * 8 - 1,
      attributes: 0x82,
    });
  }

  get templates(): number {
    return this.#engine.templates.count;
  }

  #pageTables(): void {
    const { view } = this.#memory;
    const entry = (table: number, index: number, lo: number, hi = 0): void => {
      view.setUint32(PAGE_TABLES + table * 0x1000 + index * 8, lo, true);
      view.setUint32(PAGE_TABLES + table * 0x1000 + index * 8 + 4, hi, true);
    };
    const table = (number: number): number => PAGE_TABLES + number * 0x1000;
    const everything = PRESENT | WRITABLE | USER;
    entry(0, 0, table(1) | everything);
    entry(1, 0, table(2) | everything);
    entry(2, CODE >>> 21, table(3) | everything);
    entry(2, DATA >>> 21, table(4) | everything);
    for (let k = 0; k < CODE_BYTES / 4096; k++)
      entry(3, k, (CODE_FRAMES + k * 4096) | PRESENT | USER);
    for (let k = 0; k < DATA_BYTES / 4096; k++)
      entry(4, k, (DATA_FRAMES + k * 4096) | everything, NO_EXECUTE);
    entry(0, 256, table(5) | PRESENT | WRITABLE);
    entry(5, 0, table(6) | PRESENT | WRITABLE);
    entry(6, 0, PRESENT | WRITABLE | LARGE);
  }

  #systemTables(): void {
    const { view } = this.#memory;
    for (const [selector, lo, hi] of DESCRIPTORS) {
      view.setUint32(GDT + selector, lo, true);
      view.setUint32(GDT + selector + 4, hi, true);
    }
    LDT.forEach(({ base, limit, code, big }, k) => {
      const type = code ? 0xfb : 0xf3;
      view.setUint32(LDT_START + 8 * k, ((base << 16) | (limit & 0xffff)) >>> 0, true);
      const attributes = (type << 8) | (big ? 0x40_0000 : 0);
      const hi = (base & 0xff00_0000) | (limit & 0xf_0000) | attributes | ((base >> 16) & 0xff);
      view.setUint32(LDT_START + 8 * k + 4, hi >>> 0, true);
    });
    view.setBigUint64(TSS + 4, BigInt.asUintN(64, BigInt(SUPERVISOR + STACK_TOP)), true);
    // No I/O permission bitmap.
    view.setUint16(TSS + 0x66, 0x68, true);
    const supervisor = BigInt.asUintN(64, BigInt(SUPERVISOR));
    for (let vector = 0; vector < 256; vector++) {
      const at = IDT + 16 * vector;
      const type = OPEN_VECTORS.includes(vector) ? 0xee00 : 0x8e00;
      view.setUint32(at, 0x10_0000 | (HANDLERS + vector), true);
      view.setUint32(at + 4, type, true);
      view.setUint32(at + 8, Number(supervisor >> 32n), true);
    }
  }

  run(record: Case): void {
    this.#place(record);
    this.#enter(record);
    this.#vcpu.halted = false;
    const stop = this.#vcpu.run(BUDGET);
    if (stop.kind === "budget") {
      record.vector = ENDLESS;
      return;
    }
    if (stop.kind !== "halted") throw new Error(`the engine stopped: ${stop.kind}`);
    this.#leave(record);
  }

  #place(record: Case): void {
    const { u8 } = this.#memory;
    const { length, start } = record;
    const at = CODE_FRAMES + start;
    const end = Math.min(length, CODE_BYTES - start);
    let same = this.#placedAt === at && this.#placedLength === end;
    for (let k = 0; same && k < end; k++) same = this.#placed[k] === record.u8[k];
    if (!same) {
      u8.fill(HLT, this.#placedAt, this.#placedAt + this.#placedLength);
      this.#vcpu.memoryChanged(this.#placedAt, Math.max(1, this.#placedLength));
      u8.set(record.u8.subarray(0, end), at);
      this.#vcpu.memoryChanged(at, Math.max(1, end));
      this.#placed.set(record.u8.subarray(0, 16));
      this.#placedAt = at;
      this.#placedLength = end;
    }
    u8.set(record.u8.subarray(AT.memory, AT.memory + MEMORY_BYTES), DATA_FRAMES + MEMORY);
  }

  /** The hidden part of a segment register as loading a selector fills it. */
  #segment(record: Case, index: number): SegmentCache {
    const selector = record.selector(index);
    const { view } = this.#memory;
    if (selector < 4) {
      const base = index === FS ? AT.fsBase : index === GS ? AT.gsBase : -1;
      if (base < 0) return { ...NULL_SEGMENT, selector };
      return { ...NULL_SEGMENT, selector, base: signed(record, base) };
    }
    const at = (selector & 4 ? LDT_START : GDT) + (selector & 0xfff8);
    const lo = view.getUint32(at, true);
    const hi = view.getUint32(at + 4, true);
    const limit = (lo & 0xffff) | (hi & 0xf_0000);
    return {
      selector,
      base: ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000)) >>> 0,
      limit: hi & 0x80_0000 ? ((limit << 12) | 0xfff) >>> 0 : limit,
      attributes: (hi >>> 8) & 0xf0ff,
    };
  }

  #enter(record: Case): void {
    const { core } = this.#vcpu;
    const state = core.linearMemory;
    const { base } = core;
    const { u8, view } = record;
    for (let index = 0; index < 6; index++)
      if (index !== CS && index !== SS) setSegment(core, index, this.#segment(record, index));
    setCpl(core, 3);
    setSegment(core, SS, this.#segment(record, SS));
    setSegment(core, CS, this.#segment(record, CS));
    state.set(u8.subarray(AT.general, AT.general + 128), base + GPR);
    state.set(u8.subarray(AT.xmm, AT.xmm + 256), base + XMM);
    state.set(u8.subarray(AT.ymmHigh, AT.ymmHigh + 256), base + XMM + YMM_UPPER);
    // The image is by stack position, the state by physical register.
    const top = (record.fsw >> 11) & 7;
    for (let k = 0; k < 8; k++) {
      const from = AT.st + 16 * k;
      state.set(u8.subarray(from, from + 10), base + X87 + 16 * ((top + k) & 7));
    }
    core.set(X87 + CONTROL_WORD, record.fcw);
    core.set(X87 + STATUS_WORD, record.fsw);
    core.set(X87 + TAGS, record.tags);
    core.set(X87 + LAST_OPCODE, view.getUint16(AT.image + 6, true));
    state.set(u8.subarray(AT.image + 8, AT.image + 16), base + X87 + INSTRUCTION_POINTER);
    state.set(u8.subarray(AT.image + 16, AT.image + 24), base + X87 + DATA_POINTER);
    core.set(X87 + INSTRUCTION_SELECTOR, 0);
    core.set(X87 + DATA_SELECTOR, 0);
    setMxcsr(core, record.mxcsr);
    core.setRflags(record.rflags);
    state.set(u8.subarray(AT.rip, AT.rip + 8), base + RIP);
  }

  #leave(record: Case): void {
    const { core } = this.#vcpu;
    const state = core.linearMemory;
    const { base } = core;
    const { u8, view } = record;
    const ram = this.#memory.view;
    const vector = core.get(RIP) - 1 - HANDLERS;
    const pushed = (distance: number): number => ram.getUint32(STACK_TOP - distance, true);
    const startLo = view.getUint32(AT.rip, true);
    const startHi = view.getUint32(AT.rip + 4, true);
    u8.set(state.subarray(base + GPR, base + GPR + 128), AT.general);
    u8.set(this.#memory.u8.subarray(STACK_TOP - 16, STACK_TOP - 8), AT.general + 32);
    u8.set(this.#memory.u8.subarray(STACK_TOP - 40, STACK_TOP - 32), AT.rip);
    record.rflags = pushed(24);
    for (let index = 0; index < 6; index++)
      record.setSelector(index, core.get(segmentField(index, SEGMENT_SELECTOR)));
    record.setSelector(CS, pushed(32));
    record.setSelector(SS, pushed(8));
    record.vector = vector;
    record.error = vector === 14 || (vector >= 10 && vector <= 13) ? pushed(48) : 0;
    record.u64[AT.cr2 >> 3] = vector === 14 ? core.big(CR2) : 0n;
    const rip = view.getUint32(AT.rip, true);
    const offset = rip - (record.selector(CS) & 4 ? 0 : CODE);
    const atStart = rip === startLo && view.getUint32(AT.rip + 4, true) === startHi;
    if (
      vector === 13 &&
      !atStart &&
      view.getUint32(AT.rip + 4, true) === 0 &&
      offset >= 0 &&
      offset < CODE_BYTES &&
      this.#memory.u8[CODE_FRAMES + offset] === HLT
    )
      record.vector = NO_EXCEPTION;
    u8.set(state.subarray(base + segmentField(FS, SEGMENT_BASE)).subarray(0, 8), AT.fsBase);
    u8.set(state.subarray(base + segmentField(GS, SEGMENT_BASE)).subarray(0, 8), AT.gsBase);
    u8.set(state.subarray(base + XMM, base + XMM + 256), AT.xmm);
    u8.set(state.subarray(base + XMM + YMM_UPPER, base + XMM + YMM_UPPER + 256), AT.ymmHigh);
    record.setX87(core.get(X87 + CONTROL_WORD), core.get(X87 + STATUS_WORD), core.get(X87 + TAGS));
    const top = (core.get(X87 + STATUS_WORD) >> 11) & 7;
    for (let k = 0; k < 8; k++) {
      const from = base + X87 + 16 * ((top + k) & 7);
      u8.set(state.subarray(from, from + 10), AT.st + 16 * k);
      u8.fill(0, AT.st + 16 * k + 10, AT.st + 16 * k + 16);
    }
    view.setUint16(AT.image + 6, core.get(X87 + LAST_OPCODE), true);
    const pointers = base + X87 + INSTRUCTION_POINTER;
    u8.set(state.subarray(pointers, pointers + 8), AT.image + 8);
    u8.set(state.subarray(base + X87 + DATA_POINTER, base + X87 + DATA_POINTER + 8), AT.image + 16);
    record.mxcsr = this.#vcpu.registers.mxcsr;
    this.#leaveMemory(record);
  }

  #leaveMemory(record: Case): void {
    const data = this.#memory.u8.subarray(DATA_FRAMES, DATA_FRAMES + DATA_BYTES);
    const memory = data.subarray(MEMORY, MEMORY + MEMORY_BYTES);
    record.u8.set(memory, AT.memory);
    memory.fill(0);
    record.outside = 0;
    if (Buffer.compare(data, this.#clean) === 0) return;
    let hash = 0x811c9dc5;
    for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
    record.outside = hash >>> 0;
    data.fill(0);
  }
}

function signed(record: Case, at: number): number {
  return record.view.getInt32(at + 4, true) * 2 ** 32 + record.view.getUint32(at, true);
}

/** A copy of a batch, run through the engine. */
export function runHere(cpu: EngineCpu, records: Uint8Array): Batch {
  const batch = new Batch(records.length / RECORD_BYTES, Uint8Array.from(records).buffer);
  for (const record of batch.cases) cpu.run(record);
  return batch;
}

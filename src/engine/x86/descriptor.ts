import { lastRead, readSystem, readSystem64, writeSystem } from "./access.ts";
import type { Core } from "./core.ts";
import {
  GDTR_BASE,
  GDTR_LIMIT,
  LDTR,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  segmentField,
} from "./state.ts";

/** Bits of segment attributes, as in `Segment.attributes` of the contract. */
/** Data: writable. Code: readable. */
export const ATTRIBUTE_WRITABLE = 0x2;
/** Data: expand-down. Code: conforming. */
export const ATTRIBUTE_EXPAND_DOWN = 0x4;
export const ATTRIBUTE_CONFORMING = 0x4;
export const ATTRIBUTE_CODE = 0x8;
export const ATTRIBUTE_PRESENT = 0x80;
/** D of code, B of data. */
export const ATTRIBUTE_BIG = 0x4000;
export const ATTRIBUTE_UNUSABLE = 0x1_0000;

/** Types of system descriptors (Intel SDM vol. 3, table 3-2). */
export const TYPE_TSS_16 = 1;
export const TYPE_LDT = 2;
export const TYPE_TSS_16_BUSY = 3;
export const TYPE_CALL_GATE_16 = 4;
export const TYPE_TASK_GATE = 5;
export const TYPE_INTERRUPT_GATE_16 = 6;
export const TYPE_TRAP_GATE_16 = 7;
export const TYPE_TSS_32 = 9;
export const TYPE_TSS_32_BUSY = 11;
export const TYPE_CALL_GATE_32 = 12;
export const TYPE_INTERRUPT_GATE_32 = 14;
export const TYPE_TRAP_GATE_32 = 15;

export const TSS_BUSY = 2;

export function isNullSelector(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

/** V8 folds no imported constants. */
const GLOBAL_BASE = GDTR_BASE;
const GLOBAL_LIMIT = GDTR_LIMIT;

/** An entry of the GDT or LDT, or a gate (Intel SDM vol. 3, 3.4.5 and 5.8.3). Reused, so that reading one allocates nothing. */
export class Descriptor {
  /** Linear address of its first byte. */
  address = 0;
  /** Its first 8 bytes. */
  lo = 0;
  hi = 0;
  /** Bits 63:32 of the base or target of a 16-byte entry, signed. */
  upper = 0;

  /** Read the entry a selector names. False: it lies outside the table. */
  read(core: Core, selector: number): boolean {
    return this.#locate(core, selector, 8) && this.#load(core);
  }

  /** Read a system entry, which has 16 bytes in IA-32e mode. */
  readSystem(core: Core, selector: number): boolean {
    if (!core.isLong) return this.read(core, selector);
    if (!this.#locate(core, selector, 16)) return false;
    this.readUpper(core);
    return this.#load(core);
  }

  /** Read 8 bytes at a linear address. */
  readAt(core: Core, address: number): void {
    this.address = address;
    this.#load(core);
  }

  /** Read bytes 8 to 11, of the entry at `address`. */
  readUpper(core: Core): void {
    this.upper = readSystem(core, this.address + 8, 4) | 0;
  }

  /** Bits 12:8 of bytes 12 to 15 of a 16-byte gate: must be 0. */
  upperType(core: Core): number {
    return (readSystem(core, this.address + 12, 4) >>> 8) & 31;
  }

  #locate(core: Core, selector: number, size: number): boolean {
    let base: number;
    let limit: number;
    if (selector & 4) {
      if (core.get(segmentField(LDTR, SEGMENT_ATTRIBUTES)) & ATTRIBUTE_UNUSABLE) return false;
      base = core.address(segmentField(LDTR, SEGMENT_BASE));
      limit = core.get(segmentField(LDTR, SEGMENT_LIMIT));
    } else {
      base = core.address(GLOBAL_BASE);
      limit = core.get(GLOBAL_LIMIT);
    }
    const offset = selector & 0xfff8;
    this.address = base + offset;
    return offset + size - 1 <= limit;
  }

  #load(core: Core): true {
    readSystem64(core, this.address);
    this.lo = lastRead.lo;
    this.hi = lastRead.hi;
    return true;
  }

  get attributes(): number {
    return (this.hi >>> 8) & 0xf0ff;
  }

  get type(): number {
    return (this.hi >>> 8) & 15;
  }

  get privilege(): number {
    return (this.hi >>> 13) & 3;
  }

  get isPresent(): boolean {
    return (this.hi & 0x8000) !== 0;
  }

  get isSystem(): boolean {
    return (this.hi & 0x1000) === 0;
  }

  get isCode(): boolean {
    return (this.hi & 0x1800) === 0x1800;
  }

  get isConforming(): boolean {
    return (this.hi & 0x1c00) === 0x1c00;
  }

  get isReadable(): boolean {
    return (this.hi & 0x1000) !== 0 && (this.hi & 0xa00) !== 0x800;
  }

  get isWritable(): boolean {
    return (this.hi & 0x1a00) === 0x1200;
  }

  /** L: 64-bit code in IA-32e mode. */
  get isLong(): boolean {
    return (this.hi & 0x20_0000) !== 0;
  }

  /** D or B. */
  get isBig(): boolean {
    return (this.hi & 0x40_0000) !== 0;
  }

  /** 32 bits. */
  get base(): number {
    return ((this.lo >>> 16) | ((this.hi & 0xff) << 16) | (this.hi & 0xff00_0000)) >>> 0;
  }

  /** Of a 16-byte entry. */
  get base64(): number {
    return this.upper * 4294967296 + this.base;
  }

  /** In bytes. */
  get limit(): number {
    const raw = (this.lo & 0xffff) | (this.hi & 0xf_0000);
    return this.hi & 0x80_0000 ? ((raw << 12) | 0xfff) >>> 0 : raw;
  }

  /** Of a gate: selector of the code segment or TSS. */
  get gateSelector(): number {
    return this.lo >>> 16;
  }

  /** Of a gate: 32-bit offset of its target. */
  get gateOffset(): number {
    return ((this.lo & 0xffff) | (this.hi & 0xffff_0000)) >>> 0;
  }

  /** Of a 16-byte gate. */
  get gateOffset64(): number {
    return this.upper * 4294967296 + this.gateOffset;
  }

  /** Set the accessed bit, here and in the table. */
  markAccessed(core: Core): void {
    if (this.hi & 0x100) return;
    this.hi |= 0x100;
    writeSystem(core, this.address + 5, 1, (this.hi >>> 8) & 0xff);
  }

  /** Set or clear the busy bit of a TSS entry, here and in the table. */
  markBusy(core: Core, busy: boolean): void {
    this.hi = busy ? this.hi | 0x200 : this.hi & ~0x200;
    writeSystem(core, this.address + 5, 1, (this.hi >>> 8) & 0xff);
  }
}

import { MEMORY_BYTES } from "./layout.ts";

export const RECORD_BYTES = 1088 + MEMORY_BYTES;
/** `vector` of a case that came to the HLT behind it. */
export const NO_EXCEPTION = 0xffff_ffff;

/** `vector` of a case that jumps to itself for ever. */
export const ENDLESS = 0xffff_fffe;

/** Offsets in a record, in the order of `struct record` in silicon.c. */
export const AT = {
  code: 0,
  length: 16,
  bits: 17,
  start: 18,
  vector: 20,
  error: 24,
  outside: 28,
  cr2: 32,
  rip: 40,
  rflags: 48,
  fsBase: 56,
  gsBase: 64,
  selectors: 72,
  general: 96,
  image: 256,
  mxcsr: 256 + 24,
  st: 256 + 32,
  xmm: 256 + 160,
  ymmHigh: 256 + 576,
  memory: 1088,
} as const;

/** Bytes of the image that hold registers; the rest is the kernel's or reserved. */
export const IMAGE_BYTES = 416;

/**
 * One instruction with everything it starts from, or with what it made of it: a view of the record
 * that silicon.c reads and writes.
 */
export class Case {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer = new ArrayBuffer(RECORD_BYTES), offset = 0) {
    this.u8 = new Uint8Array(buffer, offset, RECORD_BYTES);
    this.u16 = new Uint16Array(buffer, offset, RECORD_BYTES / 2);
    this.u32 = new Uint32Array(buffer, offset, RECORD_BYTES / 4);
    this.u64 = new BigUint64Array(buffer, offset, RECORD_BYTES / 8);
    this.view = new DataView(buffer, offset, RECORD_BYTES);
  }

  get code(): Uint8Array {
    return this.u8.subarray(0, this.length);
  }

  set code(bytes: ArrayLike<number>) {
    this.u8.fill(0, 0, 16);
    this.u8.set(bytes);
    this.u8[AT.length] = bytes.length;
  }

  get length(): number {
    return this.u8[AT.length] as number;
  }

  /** Of the code segment: 16, 32 or 64. */
  get bits(): 16 | 32 | 64 {
    return this.u8[AT.bits] as 16 | 32 | 64;
  }

  set bits(bits: 16 | 32 | 64) {
    this.u8[AT.bits] = bits;
  }

  /** Offset of the instruction in the code region. */
  get start(): number {
    return this.u16[AT.start >> 1] as number;
  }

  set start(offset: number) {
    this.u16[AT.start >> 1] = offset;
  }

  /** Exception, or {@link NO_EXCEPTION}. */
  get vector(): number {
    return this.u32[AT.vector >> 2] as number;
  }

  set vector(vector: number) {
    this.u32[AT.vector >> 2] = vector;
  }

  get error(): number {
    return this.u32[AT.error >> 2] as number;
  }

  set error(code: number) {
    this.u32[AT.error >> 2] = code;
  }

  /** Hash of what was written to the data region outside the memory, 0 for nothing. */
  get outside(): number {
    return this.u32[AT.outside >> 2] as number;
  }

  set outside(hash: number) {
    this.u32[AT.outside >> 2] = hash;
  }

  /** ES, CS, SS, DS, FS, GS */
  selector(index: number): number {
    return this.u16[(AT.selectors >> 1) + index] as number;
  }

  setSelector(index: number, selector: number): void {
    this.u16[(AT.selectors >> 1) + index] = selector;
  }

  get rflags(): number {
    return this.u32[AT.rflags >> 2] as number;
  }

  set rflags(value: number) {
    this.u32[AT.rflags >> 2] = value;
  }

  get mxcsr(): number {
    return this.u32[AT.mxcsr >> 2] as number;
  }

  set mxcsr(value: number) {
    this.u32[AT.mxcsr >> 2] = value;
  }

  /** A general register's halves. */
  low(index: number): number {
    return this.u32[(AT.general >> 2) + 2 * index] as number;
  }

  high(index: number): number {
    return this.u32[(AT.general >> 2) + 2 * index + 1] as number;
  }

  setPair(index: number, lo: number, hi: number): void {
    this.u32[(AT.general >> 2) + 2 * index] = lo;
    this.u32[(AT.general >> 2) + 2 * index + 1] = hi;
  }

  /** Sets a register, or another field of 64 bits at `at`, to an integer of up to 2^53. */
  setNumber(at: number, value: number): void {
    this.u32[at >> 2] = value;
    this.u32[(at >> 2) + 1] = Math.floor(value / 2 ** 32);
  }

  get fcw(): number {
    return this.u16[AT.image >> 1] as number;
  }

  get fsw(): number {
    return this.u16[(AT.image >> 1) + 1] as number;
  }

  /** Bit i: physical register i is not empty. */
  get tags(): number {
    return this.u8[AT.image + 4] as number;
  }

  setX87(control: number, status: number, tags: number): void {
    this.u16[AT.image >> 1] = control;
    this.u16[(AT.image >> 1) + 1] = status;
    this.u8[AT.image + 4] = tags;
  }

  /** 64 bits of a general register. */
  general(index: number): bigint {
    return this.view.getBigUint64(AT.general + 8 * index, true);
  }

  setGeneral(index: number, value: bigint): void {
    this.view.setBigUint64(AT.general + 8 * index, value, true);
  }

  /** 16 bytes of ST(index), the number in the first 10. */
  st(index: number): Uint8Array {
    return this.u8.subarray(AT.st + 16 * index, AT.st + 16 * index + 16);
  }

  xmm(index: number): Uint8Array {
    return this.u8.subarray(AT.xmm + 16 * index, AT.xmm + 16 * index + 16);
  }

  get memory(): Uint8Array {
    return this.u8.subarray(AT.memory, AT.memory + MEMORY_BYTES);
  }

  copy(from: Case): void {
    this.u8.set(from.u8);
  }
}

/** A number of cases in one buffer, as silicon.c takes them. */
export class Batch {
  readonly bytes: Uint8Array;
  readonly cases: readonly Case[];

  constructor(count: number, buffer = new ArrayBuffer(count * RECORD_BYTES)) {
    this.bytes = new Uint8Array(buffer);
    this.cases = Array.from({ length: count }, (_, k) => new Case(buffer, k * RECORD_BYTES));
  }
}

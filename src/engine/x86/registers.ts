import type { DescriptorTable, RegisterName, Registers, Segment, SegmentName } from "../vcpu.ts";
import {
  CONTROL_WORD,
  REGISTER_BYTES,
  REGISTERS,
  SIGN_EXPONENT,
  STATUS_WORD,
  TAGS,
} from "../x87/layout.ts";
import type { Core } from "./core.ts";
import { readMsr, writeMsr } from "./msr.ts";
import { protectionChanged, setCpl, setSegment } from "./segments.ts";
import { mxcsrChanged } from "./sse/mxcsr.ts";
import {
  ATTENTION,
  CR0,
  CR2,
  CR3,
  CR4,
  CS,
  DR,
  EFER,
  GDTR_BASE,
  GDTR_LIMIT,
  GPR,
  IDTR_BASE,
  IDTR_LIMIT,
  MXCSR,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  X87,
  XCR0,
  XMM,
  YMM_UPPER,
} from "./state.ts";

const GENERAL = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];
const SEGMENT_NAMES: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];

/** State offset of every 64-bit register that is kept as it is. */
const OFFSETS = new Map<RegisterName, number>([
  ...GENERAL.map((name, i): [RegisterName, number] => [name as RegisterName, GPR + 8 * i]),
  ["rip", RIP],
  ["cr0", CR0],
  ["cr2", CR2],
  ["cr3", CR3],
  ["cr4", CR4],
  ["efer", EFER],
  ["xcr0", XCR0],
  ["dr0", DR],
  ["dr1", DR + 8],
  ["dr2", DR + 16],
  ["dr3", DR + 24],
  ["dr6", DR + 48],
  ["dr7", DR + 56],
]);

/** The contract's registers over a vCPU's state. */
/** What translation, or what instructions mean, depends on. */
const CHANGE_MODE: ReadonlySet<RegisterName> = new Set([
  "cr0",
  "cr3",
  "cr4",
  "efer",
  "xcr0",
  "dr7",
]);

export class CoreRegisters implements Registers {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  get(name: RegisterName): bigint {
    if (name === "rflags") return BigInt(this.core.rflags() >>> 0);
    return this.core.big(OFFSETS.get(name) as number);
  }

  set(name: RegisterName, value: bigint): void {
    const { core } = this;
    core.set(ATTENTION, 1);
    if (name === "rflags") {
      core.setRflags(Number(BigInt.asUintN(32, value)));
      return;
    }
    core.setBig(OFFSETS.get(name) as number, BigInt.asUintN(64, value));
    if (name === "cr0") protectionChanged(core);
    if (CHANGE_MODE.has(name)) {
      core.modeChanged();
      core.flushTlb();
    }
  }

  low(index: number): number {
    return this.core.get(GPR + 8 * index);
  }

  high(index: number): number {
    return this.core.get(GPR + 8 * index + 4);
  }

  setPair(index: number, lo: number, hi: number): void {
    this.core.set(GPR + 8 * index, lo);
    this.core.set(GPR + 8 * index + 4, hi);
  }

  segment(name: SegmentName): Segment {
    const { core } = this;
    const index = SEGMENT_NAMES.indexOf(name);
    return {
      selector: core.get(segmentField(index, SEGMENT_SELECTOR)),
      base: core.big(segmentField(index, SEGMENT_BASE)),
      limit: core.get(segmentField(index, SEGMENT_LIMIT)),
      attributes: core.get(segmentField(index, SEGMENT_ATTRIBUTES)),
    };
  }

  setSegment(name: SegmentName, segment: Segment): void {
    const { core } = this;
    const index = SEGMENT_NAMES.indexOf(name);
    setSegment(core, index, {
      selector: segment.selector,
      base: Number(BigInt.asIntN(64, segment.base)),
      limit: segment.limit,
      attributes: segment.attributes,
    });
    // CPL is the DPL of SS (SDM vol. 3, 25.4.1.6).
    if (index === SS) setCpl(core, (segment.attributes >> 5) & 3);
    if (index === CS || index === SS) {
      core.modeChanged();
      core.flushJumpCache();
    }
  }

  gdtr(): DescriptorTable {
    return { base: this.core.big(GDTR_BASE), limit: this.core.get(GDTR_LIMIT) };
  }

  setGdtr(table: DescriptorTable): void {
    this.core.setBig(GDTR_BASE, table.base);
    this.core.set(GDTR_LIMIT, table.limit);
  }

  idtr(): DescriptorTable {
    return { base: this.core.big(IDTR_BASE), limit: this.core.get(IDTR_LIMIT) };
  }

  setIdtr(table: DescriptorTable): void {
    this.core.setBig(IDTR_BASE, table.base);
    this.core.set(IDTR_LIMIT, table.limit);
  }

  private vector(at: number): bigint {
    return (this.core.big(at + 8) << 64n) | this.core.big(at);
  }

  private setVector(at: number, value: bigint): void {
    this.core.setBig(at, BigInt.asUintN(64, value));
    this.core.setBig(at + 8, BigInt.asUintN(64, value >> 64n));
  }

  xmm(index: number): bigint {
    return this.vector(XMM + 16 * index);
  }

  setXmm(index: number, value: bigint): void {
    this.setVector(XMM + 16 * index, value);
  }

  ymm(index: number): bigint {
    return (this.vector(XMM + YMM_UPPER + 16 * index) << 128n) | this.xmm(index);
  }

  setYmm(index: number, value: bigint): void {
    this.setXmm(index, value);
    this.setVector(XMM + YMM_UPPER + 16 * index, value >> 128n);
  }

  get mxcsr(): number {
    return this.core.get(MXCSR);
  }

  set mxcsr(value: number) {
    this.core.set(MXCSR, value);
    mxcsrChanged(this.core);
  }

  /** State offset of ST(index). */
  private stackOffset(index: number): number {
    const top = (this.fsw >> 11) & 7;
    return X87 + REGISTERS + REGISTER_BYTES * ((top + index) & 7);
  }

  st(index: number): bigint {
    const at = this.stackOffset(index);
    return (BigInt(this.core.get(at + SIGN_EXPONENT) & 0xffff) << 64n) | this.core.big(at);
  }

  setSt(index: number, value: bigint): void {
    const at = this.stackOffset(index);
    this.core.setBig(at, BigInt.asUintN(64, value));
    this.core.set(at + SIGN_EXPONENT, Number(BigInt.asUintN(16, value >> 64n)));
  }

  get fcw(): number {
    return this.core.get(X87 + CONTROL_WORD);
  }

  set fcw(value: number) {
    this.core.set(X87 + CONTROL_WORD, value & 0xffff);
  }

  get fsw(): number {
    return this.core.get(X87 + STATUS_WORD);
  }

  set fsw(value: number) {
    this.core.set(X87 + STATUS_WORD, value & 0xffff);
  }

  /** Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, figure 8-7). */
  get ftw(): number {
    let word = 0;
    for (let r = 0; r < 8; r++) {
      const at = X87 + REGISTERS + REGISTER_BYTES * r;
      const exponent = this.core.get(at + SIGN_EXPONENT) & 0x7fff;
      const significand = this.core.big(at);
      const empty = ((this.core.get(X87 + TAGS) >> r) & 1) === 0;
      const special = exponent === 0x7fff || significand >> 63n === 0n;
      const tag = empty ? 3 : exponent === 0 && significand === 0n ? 1 : special ? 2 : 0;
      word |= tag << (2 * r);
    }
    return word;
  }

  set ftw(value: number) {
    let tags = 0;
    for (let r = 0; r < 8; r++) if (((value >> (2 * r)) & 3) !== 3) tags |= 1 << r;
    this.core.set(X87 + TAGS, tags);
  }

  msr(index: number): bigint | undefined {
    return readMsr(this.core, index);
  }

  setMsr(index: number, value: bigint): void {
    writeMsr(this.core, index, value);
  }

  get privilegeLevel(): number {
    return this.core.cpl;
  }

  get mode(): "real" | "protected" | "virtual-8086" | "compatibility" | "long" {
    const { core } = this;
    if (core.is64) return "long";
    if (core.isLong) return "compatibility";
    if (core.isVirtual8086) return "virtual-8086";
    return core.isProtected ? "protected" : "real";
  }
}

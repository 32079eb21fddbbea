import type { GuestMemory } from "../guest-memory.ts";
import type { Exit, InterruptController, MemoryMap, Moderator, Vcpu, Verdict } from "../vcpu.ts";
import { X87 } from "../x87/fpu.ts";
import {
  SYSTEM_FLAGS as ALL_SYSTEM_FLAGS,
  CR0_EM,
  CR0_PE,
  CR0_TS,
  CR4_OSFXSR,
  CR4_OSXSAVE,
  CR4_SMAP,
  EFER_LMA,
  EFLAGS_AC,
  EFLAGS_IOPL,
  EFLAGS_VM,
} from "./control-bits.ts";
import { forgetCpuid } from "./cpuid-cache.ts";
import { updateWatching } from "./debug.ts";
import { JumpCache } from "./jump-cache.ts";
import {
  type Level,
  levelBits,
  MODE_AVX,
  MODE_CODE_32,
  MODE_CODE_64,
  MODE_CPL_0,
  MODE_CPL_3,
  MODE_EM,
  MODE_LMA,
  MODE_OSFXSR,
  MODE_PROTECTED,
  MODE_STACK_32,
  MODE_TS,
  MODE_V86,
} from "./mode.ts";
import { instructionRip } from "./position.ts";
import { RegionCache } from "./region-cache.ts";
import {
  BUDGET,
  CPL,
  CR0,
  CR3,
  CR4,
  CS,
  EFER,
  EFLAGS,
  ERROR_CODE,
  FLAGS_AUX,
  FLAGS_RESULT,
  GPR,
  Leave,
  MISSING_LEVELS,
  MODE,
  RECORD,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SS,
  SUPERVISOR_TLB,
  SUPERVISOR_TLB_SET,
  segmentField,
  TLB,
  TLB_SET,
  TLB_SET_BYTES,
  TLB_SETS,
  USER_TLB,
  VCPU_BYTES,
  VCPUS_START,
  VECTOR,
  WATCHING,
  X87 as X87_STATE,
  XCR0,
} from "./state.ts";
import { SUPERVISOR, SUPERVISOR_SMAP, Tlb, USER } from "./tlb.ts";
import { Windows } from "./windows.ts";

/** V8 folds no imported constants: hot paths have their own. */
const MODE_WORD = MODE >> 2;
const IS_64 = MODE_CODE_64;
const IS_PROTECTED = MODE_PROTECTED;
const BUDGET_WORD = BUDGET >> 2;
const CPL_WORD = CPL >> 2;
const EFER_WORD = EFER >> 2;
const LMA = EFER_LMA;
const WATCHING_WORD = WATCHING >> 2;
const EFLAGS_WORD = EFLAGS >> 2;
const RESULT_WORD = FLAGS_RESULT >> 2;
const AUX_WORD = FLAGS_AUX >> 2;
const GPR_WORD = GPR >> 2;
const CR0_WORD = CR0 >> 2;
const CR4_WORD = CR4 >> 2;
const CODE_ATTRIBUTES_WORD = segmentField(CS, SEGMENT_ATTRIBUTES) >> 2;
const STACK_ATTRIBUTES_WORD = segmentField(SS, SEGMENT_ATTRIBUTES) >> 2;
const RIP_WORD = RIP >> 2;
const RECORD_WORD = RECORD >> 2;
const SET_WORD = TLB_SET >> 2;
const IMPLICIT_SET_WORD = SUPERVISOR_TLB_SET >> 2;
const SYSTEM_FLAGS = ALL_SYSTEM_FLAGS;
/** Bits of RFLAGS that the mode, or the TLB set, follows from. */
const IN_MODE = EFLAGS_VM | EFLAGS_AC;

/**
 * Thrown inside TypeScript parts of an instruction to abandon it: an
 * exception is to be delivered, or the moderator said stop. One object, so
 * that throwing does not allocate; what happened is in the state (VECTOR).
 */
export class Abandon {}
export const ABANDON = new Abandon();

/** SSE and AVX state, both of which AVX needs. */
const XCR0_AVX = 6;

/** Parity of a byte: 1 = even. */
function evenParity(byte: number): number {
  let x = byte & 0xff;
  x ^= x >> 4;
  return (0x9669 >> (x & 15)) & 1;
}

/**
 * A vCPU's state as TypeScript sees it: typed access to its registers in
 * linear memory, and what follows from them. The parts of the architecture
 * (paging, segments, interrupts, ...) are functions over a Core, a file each.
 */
export class Core {
  readonly index: number;
  readonly memory: GuestMemory;
  /** Byte address of the state in linear memory. */
  readonly base: number;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly f64: Float64Array;
  /** All of linear memory, not only this vCPU's part. */
  readonly linearMemory: Uint8Array;
  readonly linearView: DataView;
  readonly x87: X87;
  readonly tlb: Tlb;
  readonly windows: Windows;
  readonly jumpCache: JumpCache;
  readonly regions: RegionCache;
  map: MemoryMap;
  moderator: Moderator;
  interrupts: InterruptController;
  /** The vCPU this is part of: what the moderator gets to see. */
  vcpu: Vcpu | undefined;
  /** Told before anything is written to a page that holds decoded code: host-physical address and size. */
  codeWritten: (hostAddress: number, size: number) => void = () => {};
  /** Deliver an interrupt or exception as interrupt-quick.ts does; false: it was refused. */
  deliverQuickly: (vector: number, errorCode: number, cause: number) => boolean = () => false;
  nmiPending = false;
  /** NMIs wait until IRET. */
  nmiBlocked = false;
  halted = false;
  /** The moderator said stop during this instruction. */
  stopping = false;
  /** The moderator said wait during this instruction. */
  waiting = false;
  /** Guest code is running: RIP is that of its block, RECORD the instruction that called out. */
  inGuest = false;
  /** RIP is where a stopped instruction leaves it: do not go back to the instruction's start. */
  ripIsArchitectural = false;
  /** #DB causes pending for DR6, 0 if none. */
  debugPending = 0;
  /**
   * Whether a single-step trap follows the present instruction: if TF was set when it began. Interrupts
   * by instructions take it back, and SYSCALL and SYSRET go by the TF that they load.
   */
  singleStep = false;
  /** What CPUID shows of CR4, XCR0 and the level. */
  private shownByCpuid = -1;
  /** CS base and limit that the jump cache's entries for 16-bit and 32-bit code were made with. */
  private codeBase = 0;
  private codeLimit = 0;

  constructor(
    index: number,
    memory: GuestMemory,
    map: MemoryMap,
    moderator: Moderator,
    interrupts: InterruptController,
  ) {
    this.index = index;
    this.memory = memory;
    this.map = map;
    this.moderator = moderator;
    this.interrupts = interrupts;
    this.base = VCPUS_START + index * VCPU_BYTES;
    const buffer = memory.memory.buffer;
    this.i32 = new Int32Array(buffer, this.base, VCPU_BYTES / 4);
    this.u32 = new Uint32Array(buffer, this.base, VCPU_BYTES / 4);
    this.u64 = new BigUint64Array(buffer, this.base, VCPU_BYTES / 8);
    this.f64 = new Float64Array(buffer, this.base, VCPU_BYTES / 8);
    this.x87 = new X87(buffer, this.base + X87_STATE);
    this.tlb = new Tlb(this.i32, this.u32);
    this.windows = new Windows(this);
    this.jumpCache = new JumpCache(this.i32);
    this.regions = new RegionCache(this.i32, this.u32, memory.ramOffset);
    this.linearMemory = new Uint8Array(buffer);
    this.linearView = new DataView(buffer);
  }

  /** Every data access must be looked at (data breakpoints, alignment checks): the TLB stays empty. */
  get watching(): boolean {
    return this.u32[WATCHING_WORD] !== 0;
  }

  set watching(watching: boolean) {
    this.u32[WATCHING_WORD] = watching ? 1 : 0;
  }

  /** Low 32 bits, unsigned, of the state field at a byte offset. */
  get(offset: number): number {
    return this.u32[offset >> 2] as number;
  }

  set(offset: number, value: number): void {
    this.u32[offset >> 2] = value;
  }

  /** A 64-bit field as a linear address: sign-extended, exact for canonical addresses. */
  address(offset: number): number {
    return (this.i32[(offset >> 2) + 1] as number) * 4294967296 + (this.u32[offset >> 2] as number);
  }

  setAddress(offset: number, value: number): void {
    this.u32[offset >> 2] = value >>> 0;
    this.i32[(offset >> 2) + 1] = Math.floor(value / 4294967296);
  }

  big(offset: number): bigint {
    return this.u64[offset >> 3] as bigint;
  }

  setBig(offset: number, value: bigint): void {
    this.u64[offset >> 3] = value;
  }

  /** General register, low 32 bits. */
  register(index: number): number {
    return this.u32[GPR_WORD + index * 2] as number;
  }

  /** Write a 32-bit general register: the upper half becomes 0. */
  setRegister(index: number, value: number): void {
    this.u32[GPR_WORD + index * 2] = value;
    this.u32[GPR_WORD + index * 2 + 1] = 0;
  }

  /** TLB set of ordinary accesses. */
  get tlbSet(): number {
    return this.u32[SET_WORD] as number;
  }

  /** TLB set of implicit supervisor accesses: descriptor tables, TSS, interrupt stacks. */
  get implicitSet(): number {
    return this.u32[IMPLICIT_SET_WORD] as number;
  }

  /** Instructions left of the present call of `run`; negative when a stall overdrew it. */
  get budget(): number {
    return this.i32[BUDGET_WORD] as number;
  }

  set budget(instructions: number) {
    this.i32[BUDGET_WORD] = instructions;
  }

  /** What instructions there are. */
  get level(): Level {
    return (3 - this.get(MISSING_LEVELS)) as Level;
  }

  set level(level: Level) {
    this.set(MISSING_LEVELS, 3 - level);
    this.modeChanged();
  }

  get cpl(): number {
    return this.u32[CPL_WORD] as number;
  }

  get isLong(): boolean {
    return ((this.u32[EFER_WORD] as number) & LMA) !== 0;
  }

  /** 64-bit code segment in IA-32e mode. */
  get is64(): boolean {
    return ((this.u32[MODE_WORD] as number) & IS_64) !== 0;
  }

  get isProtected(): boolean {
    return ((this.u32[MODE_WORD] as number) & IS_PROTECTED) !== 0;
  }

  get isVirtual8086(): boolean {
    return (this.get(MODE) & MODE_V86) !== 0;
  }

  get iopl(): number {
    return (this.get(EFLAGS) & EFLAGS_IOPL) >> 12;
  }

  /** RFLAGS, all bits. */
  rflags(): number {
    const resultLow = this.u32[RESULT_WORD] as number;
    const resultHigh = this.u32[RESULT_WORD + 1] as number;
    const aux = this.u32[AUX_WORD] as number;
    const carry = aux >>> 31;
    const zero = resultLow === 0 && resultHigh === 0 ? 1 : 0;
    const sign = (resultHigh >>> 31) ^ (aux & 1);
    const overflow = carry ^ ((aux >>> 30) & 1);
    return (
      (this.u32[EFLAGS_WORD] as number) |
      2 |
      carry |
      (evenParity(resultLow ^ (aux >>> 8)) << 2) |
      (((aux >>> 3) & 1) << 4) |
      (zero << 6) |
      (sign << 7) |
      (overflow << 11)
    );
  }

  /** Set all of RFLAGS; nothing is checked. The mode follows. */
  setRflags(value: number): void {
    const carry = value & 1;
    this.u32[RESULT_WORD] = value & 0x40 ? 0 : 0x100;
    this.u32[RESULT_WORD + 1] = 0;
    const overflow = (value >> 11) & 1;
    this.u32[AUX_WORD] =
      (carry << 31) |
      ((carry ^ overflow) << 30) |
      (((value >> 4) & 1) << 3) |
      ((value & 4 ? 0 : 1) << 8) |
      ((value >> 7) & 1);
    this.setSystemFlags(value);
  }

  /** Set TF, IF, DF, IOPL, NT, RF, VM, AC, VIF, VIP, ID of RFLAGS and leave the arithmetic flags. */
  setSystemFlags(value: number): void {
    const before = this.u32[EFLAGS_WORD] as number;
    this.u32[EFLAGS_WORD] = value & SYSTEM_FLAGS;
    if ((before ^ value) & IN_MODE) this.modeChanged();
  }

  /**
   * Recompute MODE and the TLB set from CR0, CR4, XCR0, EFER, RFLAGS, CPL and the
   * attributes of CS and SS. Call after any of them changed.
   */
  modeChanged(): void {
    const cr0 = this.u32[CR0_WORD] as number;
    const cr4 = this.u32[CR4_WORD] as number;
    const eflags = this.u32[EFLAGS_WORD] as number;
    const cpl = this.u32[CPL_WORD] as number;
    const csAttributes = this.u32[CODE_ATTRIBUTES_WORD] as number;
    const ssAttributes = this.u32[STACK_ATTRIBUTES_WORD] as number;
    let mode = 0;
    const lma = this.isLong;
    if (lma) mode |= MODE_LMA;
    if (lma && csAttributes & 0x2000) mode |= MODE_CODE_64 | MODE_STACK_32;
    else {
      if (csAttributes & 0x4000) mode |= MODE_CODE_32;
      if (ssAttributes & 0x4000) mode |= MODE_STACK_32;
    }
    if (cr0 & CR0_PE) mode |= eflags & EFLAGS_VM ? MODE_V86 : MODE_PROTECTED;
    if (cpl === 0) mode |= MODE_CPL_0;
    else if (cpl === 3) mode |= MODE_CPL_3;
    if (cr0 & CR0_TS) mode |= MODE_TS;
    if (cr0 & CR0_EM) mode |= MODE_EM;
    if (cr4 & CR4_OSFXSR) mode |= MODE_OSFXSR;
    if (cr4 & CR4_OSXSAVE && (this.get(XCR0) & XCR0_AVX) === XCR0_AVX) mode |= MODE_AVX;
    mode |= levelBits(this.level);
    this.u32[MODE_WORD] = mode;
    const implicit = cr4 & CR4_SMAP ? SUPERVISOR_SMAP : SUPERVISOR;
    const set = cpl === 3 ? USER : eflags & EFLAGS_AC ? SUPERVISOR : implicit;
    this.u32[IMPLICIT_SET_WORD] = implicit;
    this.u32[SET_WORD] = set;
    const sets = this.base + TLB_SETS;
    this.set(TLB, sets + set * TLB_SET_BYTES);
    this.set(SUPERVISOR_TLB, sets + implicit * TLB_SET_BYTES);
    this.set(USER_TLB, sets + USER * TLB_SET_BYTES);
    updateWatching(this);
    const shown = (cr4 & CR4_OSXSAVE) | (this.get(XCR0) << 8) | this.level;
    if (shown !== this.shownByCpuid) {
      this.shownByCpuid = shown;
      forgetCpuid(this);
    }
  }

  /** Forget what is known of the memory map, and all that follows from it. */
  mapChanged(): void {
    this.regions.flush();
    this.flushTlb();
  }

  /** Forget every cached translation, and the jump cache, which depends on them. */
  flushTlb(): void {
    this.tlb.flush();
    this.windows.clear();
    this.flushJumpCache();
  }

  flushJumpCache(): void {
    this.jumpCache.flush();
    this.codeBase = this.address(segmentField(CS, SEGMENT_BASE));
    this.codeLimit = this.get(segmentField(CS, SEGMENT_LIMIT));
  }

  /**
   * CS was loaded. Blocks are looked up by RIP, an offset in CS, so those of
   * another code segment must not be found. 64-bit code has no base and no limit.
   */
  codeSegmentChanged(): void {
    if (this.is64) return;
    if (
      this.codeBase !== this.address(segmentField(CS, SEGMENT_BASE)) ||
      this.codeLimit !== this.get(segmentField(CS, SEGMENT_LIMIT))
    )
      this.flushJumpCache();
  }

  /** Abandon the instruction with an exception without error code. */
  raise(vector: number): never {
    this.set(VECTOR, vector);
    throw ABANDON;
  }

  raiseWithCode(vector: number, errorCode: number): never {
    this.set(VECTOR, vector);
    this.set(ERROR_CODE, errorCode);
    throw ABANDON;
  }

  /** #GP with an error code, 0 by default. */
  generalProtection(errorCode = 0): never {
    return this.raiseWithCode(13, errorCode);
  }

  /**
   * Hand an exit to the moderator and act on what every verdict means alike:
   * returns on `done` and `native`, abandons the instruction otherwise.
   */
  exit(exit: Exit): Verdict {
    // short, so that V8 makes one function of what leads from compiled code to a device
    const record = this.i32[RECORD_WORD] as number;
    const distance = this.inGuest ? this.linearView.getUint16(record + 4, true) : 0;
    const verdict =
      distance === 0
        ? this.moderator.exit(this.vcpu as Vcpu, exit)
        : this.exitWithin(exit, distance);
    return verdict === "done" ? verdict : this.obey(verdict);
  }

  private obey(verdict: Verdict): Verdict {
    switch (verdict) {
      case "fault":
        return this.generalProtection();
      case "undefined":
        return this.raise(6);
      case "stop":
        this.stopping = true;
        throw ABANDON;
      case "wait":
        this.waiting = true;
        throw ABANDON;
      default:
        return verdict;
    }
  }

  /**
   * As the moderator, from an instruction so many bytes behind the start of its block: he sees the
   * architectural RIP; what stops leaves it so, with what was made of it.
   */
  private exitWithin(exit: Exit, distance: number): Verdict {
    const vcpu = this.vcpu as Vcpu;
    // A hypercall has set RIP behind itself.
    if (exit.kind === "hypercall") return this.moderator.exit(vcpu, exit);
    const { i32 } = this;
    const low = i32[RIP_WORD] as number;
    const high = i32[RIP_WORD + 1] as number;
    const record = i32[RECORD_WORD] as number;
    if ((low >>> 0) + distance > 0xffff_ffff) this.setAddress(RIP, instructionRip(this, record));
    else i32[RIP_WORD] = low + distance;
    const verdict = this.moderator.exit(vcpu, exit);
    if (verdict === "stop") this.ripIsArchitectural = true;
    else {
      i32[RIP_WORD] = low;
      i32[RIP_WORD + 1] = high;
    }
    return verdict;
  }

  /** The reason to leave guest code with after {@link ABANDON} was thrown. */
  abandoned(): Leave {
    if (this.waiting) {
      this.waiting = false;
      return Leave.wait;
    }
    if (!this.stopping) return Leave.exception;
    this.stopping = false;
    return Leave.stopped;
  }

  get cr3(): number {
    return this.address(CR3);
  }
}

/** Exceptions that push an error code (SDM vol. 3, table 6-1). */
export function pushesErrorCode(vector: number): boolean {
  return vector === 8 || (vector >= 10 && vector <= 14) || vector === 17 || vector === 21;
}

/**
 * The contract between an engine and whatever it runs in: the same for every
 * engine. An engine executes guest instructions; it knows no cells and no
 * devices. What it cannot decide alone it describes as an {@link Exit}, plain
 * data handed to a {@link Moderator}, which answers with a {@link Verdict}.
 */

/** Width of one access in bytes. */
export type Width = 1 | 2 | 4 | 8;

/** IN, INS. The moderator fills `value`. */
export interface PortRead {
  readonly kind: "port-read";
  port: number;
  width: 1 | 2 | 4;
  /** INS or REP INS rather than IN. */
  string: boolean;
  /** Unsigned, `width` bytes. */
  value: number;
}

/** OUT, OUTS. */
export interface PortWrite {
  readonly kind: "port-write";
  port: number;
  width: 1 | 2 | 4;
  string: boolean;
  value: number;
}

/**
 * A data read outside what the {@link MemoryMap} grants. Accesses wider than
 * 8 bytes, and those that cross a page, arrive in pieces of natural width,
 * lowest address first.
 */
export interface MemoryRead {
  readonly kind: "memory-read";
  /** Guest-physical byte address. */
  address: number;
  width: Width;
  /** Low and high 32 bits, unsigned; filled by the moderator. */
  lo: number;
  hi: number;
}

/** A data write outside what the {@link MemoryMap} grants. */
export interface MemoryWrite {
  readonly kind: "memory-write";
  address: number;
  width: Width;
  lo: number;
  hi: number;
}

/** An instruction fetch outside what the {@link MemoryMap} grants. */
export interface MemoryFetch {
  readonly kind: "memory-fetch";
  address: number;
}

/** RDMSR with CPL 0. `native` lets the engine answer; the moderator otherwise fills `lo` and `hi`. */
export interface MsrRead {
  readonly kind: "msr-read";
  msr: number;
  lo: number;
  hi: number;
}

/** WRMSR with CPL 0. */
export interface MsrWrite {
  readonly kind: "msr-write";
  msr: number;
  lo: number;
  hi: number;
}

/** CPUID. The four results hold what the bare engine answers; the moderator may change them. */
export interface Cpuid {
  readonly kind: "cpuid";
  /**
   * Whether the engine may give the same answer to the same question without asking again, until
   * the guest writes an MSR, CR4 or XCR0, or the moderator is another. The moderator may set it.
   */
  constant: boolean;
  leaf: number;
  subleaf: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** VMCALL or VMMCALL, RIP already behind it. Arguments and result are in the registers. */
export interface Hypercall {
  readonly kind: "hypercall";
  instruction: "vmcall" | "vmmcall";
}

/** XSETBV with CPL 0 and CR4.OSXSAVE set. `native` performs it with the architecture's own checks. */
export interface Xsetbv {
  readonly kind: "xsetbv";
  index: number;
  lo: number;
  hi: number;
}

/** An instruction that a hypervisor always sees (Intel SDM vol. 3, 26.1.2). `native` performs it. */
export interface SpecialInstruction {
  readonly kind: "special-instruction";
  name: "invd" | "wbinvd" | "task-switch" | "getsec" | "vmx" | "xsaves";
}

/**
 * An x87 instruction or WAIT finds an unmasked exception while CR0.NE is clear: FERR# is asserted
 * (Intel SDM vol. 1, 8.7.2). `native` raises #MF, as where CR0.NE is fixed to 1.
 */
export interface NumericError {
  readonly kind: "numeric-error";
}

export type Exit =
  | PortRead
  | PortWrite
  | MemoryRead
  | MemoryWrite
  | MemoryFetch
  | MsrRead
  | MsrWrite
  | Cpuid
  | Hypercall
  | Xsetbv
  | SpecialInstruction
  | NumericError;

/**
 * - `done`: emulated, results are in the exit.
 * - `native`: the engine does what a bare CPU does. Only for `msr-read`,
 *   `msr-write`, `cpuid`, `xsetbv`, `special-instruction` and `numeric-error`.
 * - `wait`: the instruction is abandoned, and the CPU halts on it until an
 *   interrupt arrives. Only for `numeric-error`.
 * - `fault`: the instruction raises #GP(0) (a fetch: too).
 * - `undefined`: the instruction raises #UD.
 * - `stop`: the instruction is abandoned, RIP stays on it (behind it for
 *   `hypercall`) and `run` returns `{ kind: "stopped" }`.
 */
export type Verdict = "done" | "native" | "fault" | "undefined" | "stop" | "wait";

/**
 * Decides every exit. Called synchronously from inside `run`; `vcpu.retired`
 * and `vcpu.registers` are exact during the call. An exit object belongs to
 * the vCPU and is reused: do not keep it.
 */
export interface Moderator {
  exit(vcpu: Vcpu, exit: Exit): Verdict;
}

/** The interrupt controller at a vCPU's pins, usually its local APIC. */
export interface InterruptController {
  /** Vector that would be delivered now, or -1. Must be cheap: asked at every slice. */
  pending(): number;
  /** Accept the pending vector: returns it and marks it in service. Called only if `pending() >= 0`. */
  acknowledge(): number;
  /** CR8, 0..15: bits 7:4 of the task priority. */
  taskPriority: number;
}

/** Rights of a {@link MapRegion}, or-ed. The values are those of Jailhouse's memory flags. */
export const READ = 1;
export const WRITE = 2;
export const EXECUTE = 4;

/** A run of guest-physical pages backed by RAM. All three numbers are multiples of 4096. */
export interface MapRegion {
  /** Guest-physical start, bytes. */
  readonly guest: number;
  readonly size: number;
  /** Host-physical start: offset into {@link GuestMemory}. */
  readonly host: number;
  readonly rights: number;
}

/** A cell's guest-physical space: what a second-level page table (EPT) would hold. */
export interface MemoryMap {
  /** The region that holds a guest-physical address, or undefined: then the access is moderated. */
  find(address: number): MapRegion | undefined;
}

/** Why `run` came back. */
export type Stop =
  /** The budget is used up, or `yield()` was called. */
  | { readonly kind: "budget" }
  /** HLT with nothing pending, or wait-for-SIPI. Time may skip ahead. */
  | { readonly kind: "halted" }
  /** The moderator said `stop`. */
  | { readonly kind: "stopped" }
  /** Triple fault: RIP is at the instruction that led to it. */
  | { readonly kind: "triple-fault"; readonly event?: Undelivered };

/** What a triple fault began with. */
export interface Undelivered {
  readonly vector: number;
  /** It is an exception, not an interrupt. */
  readonly isException: boolean;
  /** -1: it has none. */
  readonly errorCode: number;
}

export type RegisterName =
  | "rax"
  | "rcx"
  | "rdx"
  | "rbx"
  | "rsp"
  | "rbp"
  | "rsi"
  | "rdi"
  | "r8"
  | "r9"
  | "r10"
  | "r11"
  | "r12"
  | "r13"
  | "r14"
  | "r15"
  | "rip"
  | "rflags"
  | "cr0"
  | "cr2"
  | "cr3"
  | "cr4"
  | "efer"
  | "xcr0"
  | "dr0"
  | "dr1"
  | "dr2"
  | "dr3"
  | "dr6"
  | "dr7";

export type SegmentName = "es" | "cs" | "ss" | "ds" | "fs" | "gs" | "ldtr" | "tr";

export interface Segment {
  selector: number;
  base: bigint;
  /** In bytes, after applying granularity. */
  limit: number;
  /** Access rights as in a VMCS: type, S, DPL, P in bits 7:0; AVL, L, D/B, G in bits 15:12; bit 16 = unusable. */
  attributes: number;
}

export interface DescriptorTable {
  base: bigint;
  limit: number;
}

/** Registers of one vCPU, read and written through. Exact whenever the vCPU is not inside guest code. */
export interface Registers {
  get(name: RegisterName): bigint;
  set(name: RegisterName, value: bigint): void;
  /** Low and high half of a general register (0 = RAX .. 15 = R15) without allocating. */
  low(index: number): number;
  high(index: number): number;
  setPair(index: number, lo: number, hi: number): void;
  segment(name: SegmentName): Segment;
  setSegment(name: SegmentName, segment: Segment): void;
  gdtr(): DescriptorTable;
  setGdtr(table: DescriptorTable): void;
  idtr(): DescriptorTable;
  setIdtr(table: DescriptorTable): void;
  /** XMM register 0..15 as 128 bits. Setting it leaves the rest of YMM as it is. */
  xmm(index: number): bigint;
  setXmm(index: number, value: bigint): void;
  /** YMM register 0..15 as 256 bits, of which the XMM register is the lower half. */
  ymm(index: number): bigint;
  setYmm(index: number, value: bigint): void;
  mxcsr: number;
  /** x87 stack register ST(i) as its 80 bits. */
  st(index: number): bigint;
  setSt(index: number, value: bigint): void;
  /** x87 control, status and full 16-bit tag word. */
  fcw: number;
  fsw: number;
  ftw: number;
  /** An MSR the engine itself implements. undefined: not implemented. */
  msr(index: number): bigint | undefined;
  setMsr(index: number, value: bigint): void;
  /** 0..3 */
  readonly privilegeLevel: number;
  /** Operating mode (Intel SDM vol. 1, 3.1). */
  readonly mode: "real" | "protected" | "virtual-8086" | "compatibility" | "long";
}

/** Levels of the x86-64 ABI (System V ABI, AMD64 supplement, 3.1.1). */
export const FEATURE_LEVELS = ["x86-64-v1", "x86-64-v2", "x86-64-v3"] as const;
export type Features = (typeof FEATURE_LEVELS)[number];

export interface Vcpu {
  /** Logical CPU number; also its initial APIC id. */
  readonly index: number;
  readonly registers: Registers;
  /**
   * Which instructions there are and what CPUID says of them. "x86-64-v3", the default, comes with
   * everything the engine has: AES, PCLMULQDQ, ADX, SHA, RDRAND and RDSEED, too. System registers
   * and XSAVE are the same in all of them.
   */
  features: Features;
  /**
   * Instructions retired since power-on; exact in every exit. A faulting
   * instruction does not count, the delivery of an exception or interrupt
   * counts as one, a repeated string instruction as one for each 4,096 elements.
   */
  readonly retired: number;
  /**
   * Time, in instructions, that passed without one retiring: PAUSE, and exits that called `stall`.
   * It counts against the budget of `run`, and may overdraw it.
   */
  readonly stalled: number;
  /** Guest-physical space. Assign, or call `mapChanged`, after any change. */
  map: MemoryMap;
  moderator: Moderator;
  interrupts: InterruptController;
  /**
   * Nanoseconds of this vCPU's own time, what its time-stamp counter is derived from: `skipped`, and
   * `nanosecondsPerInstruction` for each instruction `retired` or `stalled`.
   */
  time(): number;
  /** Nanoseconds that passed without instructions: halted, or not run at all. Default 0. */
  skipped: number;
  /** Default 1. */
  nanosecondsPerInstruction: number;
  /**
   * Registers as after INIT (Intel SDM vol. 3, table 10-1): CS f000:fff0, RIP linear 0xfffffff0;
   * x87, SSE and most MSRs keep their values. A new vCPU is as after power-on.
   */
  reset(): void;
  /** Execute at most `budget` instructions. */
  run(budget: number): Stop;
  /** From inside an exit: leave `run` after the current instruction. */
  yield(): void;
  /**
   * From inside an exit: ask `interrupts` again after the current instruction. Whoever makes an
   * interrupt pending during `run` says so, by this or by `yield`.
   */
  attend(): void;
  /** From inside an exit: leave `run` after at most so many more instructions, the current one among them. */
  shorten(budget: number): void;
  /** From inside an exit: it takes as long as this many instructions. */
  stall(instructions: number): void;
  /** IGNNE#: x87 instructions go on despite the exception that is pending, until it is cleared. */
  ignoreNumericError?(): void;
  /** Latch a non-maskable interrupt. */
  nmi(): void;
  /** The memory map changed: forget all cached translations and code. */
  mapChanged(): void;
  /** Bytes of host-physical memory were changed from outside (an image load, DMA): forget code decoded from them. */
  memoryChanged(hostAddress: number, size: number): void;
  /** True after HLT until an interrupt, NMI or reset. Writable to wake it. */
  halted: boolean;
  /** Everything a snapshot needs besides memory; structured-clonable. */
  save(): VcpuState;
  load(state: VcpuState): void;
}

/** Opaque to everyone but the engine that made it. */
export interface VcpuState {
  readonly engine: string;
  readonly bytes: Uint8Array;
}

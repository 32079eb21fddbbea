/** A vCPU for tests: it has registers, and executes functions in place of instructions. */
import type {
  DescriptorTable,
  Exit,
  Features,
  InterruptController,
  MemoryMap,
  Moderator,
  RegisterName,
  Registers,
  Segment,
  SegmentName,
  Stop,
  Vcpu,
  VcpuState,
  Verdict,
  Width,
} from "../../engine/vcpu.ts";

const GENERAL: readonly RegisterName[] = [
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

class ScriptedRegisters implements Registers {
  readonly values = new Map<RegisterName, bigint>();
  readonly segments = new Map<SegmentName, Segment>();
  readonly msrs = new Map<number, bigint>();
  #gdtr: DescriptorTable = { base: 0n, limit: 0 };
  #idtr: DescriptorTable = { base: 0n, limit: 0 };
  mxcsr = 0x1f80;
  fcw = 0x37f;
  fsw = 0;
  ftw = 0xffff;

  get(name: RegisterName): bigint {
    return this.values.get(name) ?? 0n;
  }
  set(name: RegisterName, value: bigint): void {
    this.values.set(name, BigInt.asUintN(64, value));
  }
  low(index: number): number {
    return Number(this.get(GENERAL[index]) & 0xffff_ffffn);
  }
  high(index: number): number {
    return Number(this.get(GENERAL[index]) >> 32n);
  }
  setPair(index: number, lo: number, hi: number): void {
    this.set(GENERAL[index], (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
  }
  segment(name: SegmentName): Segment {
    return this.segments.get(name) ?? { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 };
  }
  setSegment(name: SegmentName, segment: Segment): void {
    this.segments.set(name, segment);
  }
  gdtr(): DescriptorTable {
    return this.#gdtr;
  }
  setGdtr(table: DescriptorTable): void {
    this.#gdtr = table;
  }
  idtr(): DescriptorTable {
    return this.#idtr;
  }
  setIdtr(table: DescriptorTable): void {
    this.#idtr = table;
  }
  xmm(): bigint {
    return 0n;
  }
  setXmm(): void {}
  ymm(): bigint {
    return 0n;
  }
  setYmm(): void {}
  st(): bigint {
    return 0n;
  }
  setSt(): void {}
  msr(index: number): bigint | undefined {
    return this.msrs.get(index);
  }
  setMsr(index: number, value: bigint): void {
    this.msrs.set(index, value);
  }
  get privilegeLevel(): number {
    return 0;
  }
  get mode(): Registers["mode"] {
    return "real";
  }
}

/** One instruction; undefined retires, a stop leaves `run` without retiring. */
export type Instruction = (vcpu: ScriptedVcpu) => Stop | undefined;

export const HALT: Instruction = (vcpu) => {
  vcpu.halted = true;
  return undefined;
};

export const TRIPLE_FAULT: Instruction = () => ({ kind: "triple-fault" });

export class ScriptedVcpu implements Vcpu {
  readonly index: number;
  readonly registers = new ScriptedRegisters();
  features: Features = "x86-64-v3";
  retired = 0;
  stalled = 0;
  halted = false;
  map: MemoryMap = { find: () => undefined };
  moderator: Moderator = { exit: () => "native" };
  interrupts: InterruptController = { pending: () => -1, acknowledge: () => -1, taskPriority: 0 };
  skipped = 0;
  nanosecondsPerInstruction = 1;
  /** What it does next; when the list is empty it halts. */
  program: Instruction[] = [];
  readonly interruptsTaken: number[] = [];
  readonly verdicts: Verdict[] = [];
  mapChanges = 0;
  #yielding = false;
  #end = 0;
  #stopped = false;

  constructor(index: number) {
    this.index = index;
  }

  /** Asks the moderator, as an instruction does. */
  exit(exit: Exit): Verdict {
    const verdict = this.moderator.exit(this, exit);
    this.verdicts.push(verdict);
    if (verdict === "stop") this.#stopped = true;
    return verdict;
  }

  in(port: number, width: 1 | 2 | 4 = 1, string = false): number {
    const exit = { kind: "port-read" as const, port, width, string, value: 0 };
    this.exit(exit);
    return exit.value;
  }
  out(port: number, value: number, width: 1 | 2 | 4 = 1, string = false): void {
    this.exit({ kind: "port-write", port, width, string, value });
  }
  load8(address: number, width: Width = 4): { lo: number; hi: number } {
    const exit = { kind: "memory-read" as const, address, width, lo: 0, hi: 0 };
    this.exit(exit);
    return exit;
  }
  store(address: number, lo: number, width: Width = 4, hi = 0): void {
    this.exit({ kind: "memory-write", address, width, lo, hi });
  }
  rdmsr(msr: number): { lo: number; hi: number } {
    const exit = { kind: "msr-read" as const, msr, lo: 0, hi: 0 };
    this.exit(exit);
    return exit;
  }
  wrmsr(msr: number, lo: number, hi = 0): void {
    this.exit({ kind: "msr-write", msr, lo, hi });
  }
  /** VMCALL. RAX holds the result, unless the caller is held. */
  vmcall(code: number, argument = 0, argument2 = 0): void {
    this.registers.set("rax", BigInt(code));
    this.registers.set("rdi", BigInt(argument));
    this.registers.set("rsi", BigInt(argument2));
    this.registers.set("rip", this.registers.get("rip") + 3n);
    this.exit({ kind: "hypercall", instruction: "vmcall" });
  }
  /** RAX as a signed number. */
  get rax(): number {
    return Number(BigInt.asIntN(64, this.registers.get("rax")));
  }

  time(): number {
    return this.skipped + (this.retired + this.stalled) * this.nanosecondsPerInstruction;
  }

  reset(): void {
    this.halted = false;
  }

  run(budget: number): Stop {
    this.#end = this.retired + budget;
    this.#yielding = false;
    while (this.retired < this.#end) {
      if (this.interrupts.pending() >= 0) {
        this.halted = false;
        this.interruptsTaken.push(this.interrupts.acknowledge());
      }
      if (this.halted) return { kind: "halted" };
      const instruction = this.program.shift() ?? HALT;
      const stop = instruction(this);
      if (stop !== undefined) return stop;
      if (this.#stopped) {
        this.#stopped = false;
        return { kind: "stopped" };
      }
      this.retired++;
      if (this.#yielding) break;
    }
    return { kind: "budget" };
  }

  attend(): void {}

  yield(): void {
    this.#yielding = true;
  }

  shorten(budget: number): void {
    this.#end = Math.min(this.#end, this.retired + budget);
  }

  stall(instructions: number): void {
    this.#end -= instructions;
    this.stalled += instructions;
  }
  nmi(): void {}
  mapChanged(): void {
    this.mapChanges++;
  }
  memoryChanged(): void {}
  save(): VcpuState {
    return { engine: "scripted", bytes: new Uint8Array() };
  }
  load(): void {}
}

import {
  FEATURE_LEVELS,
  type Features,
  type InterruptController,
  type MemoryMap,
  type Moderator,
  type Registers,
  type Stop,
  type Vcpu,
  type VcpuState,
} from "../vcpu.ts";
import { EFLAGS_IF, EFLAGS_RF, EFLAGS_TF } from "../x86/control-bits.ts";
import { ABANDON, Core, pushesErrorCode } from "../x86/core.ts";
import { forgetCpuid } from "../x86/cpuid-cache.ts";
import { hasBreakpoints, instructionBreakpoints, noteDebugCauses } from "../x86/debug.ts";
import { DELIVERED } from "../x86/interrupt-quick.ts";
import { deliver, type EventSource } from "../x86/interrupts.ts";
import type { Level } from "../x86/mode.ts";
import { AT_RIP, codeLinear, instructionRip, instructionsLeft } from "../x86/position.ts";
import { CoreRegisters } from "../x86/registers.ts";
import { initialise, powerOn } from "../x86/reset.ts";
import {
  ATTENTION,
  EFLAGS,
  ERROR_CODE,
  HELD,
  HELD_NMI,
  IGNORING_NUMERIC_ERROR,
  Leave,
  MODE,
  RECORD,
  RIP,
  STALLED,
  TIME_END,
  TIME_PER_INSTRUCTION,
  TIME_SKIPPED,
  TLB_SETS,
  VECTOR,
} from "../x86/state.ts";
import type { VcpuSurroundings, WasmEngine } from "./engine.ts";

const BUDGET_STOP: Stop = { kind: "budget" };
const HALTED: Stop = { kind: "halted" };
const STOPPED: Stop = { kind: "stopped" };

/** DR6.BS: single step. */
const SINGLE_STEP = 1 << 14;

/** What waits for one instruction: nothing; interrupts, after STI; those and #DB, after MOV SS and POP SS. */
const NO_SHADOW = 0;
const INTERRUPT_SHADOW = 1;
const STACK_SHADOW = 2;

/** V8 folds no imported constants: the run loop has its own. */
const LOOK = ATTENTION;
const SYSTEM_FLAGS = EFLAGS;
const STALL = STALLED;
const CALLER = RECORD;
const WAITING = HELD;
const NMI_WAITS = HELD_NMI;
const SKIPPED_DOUBLE = TIME_SKIPPED >> 3;
const PER_INSTRUCTION_DOUBLE = TIME_PER_INSTRUCTION >> 3;
const END_DOUBLE = TIME_END >> 3;
const TRAP = EFLAGS_TF;
const RESUME = EFLAGS_RF;
const INTERRUPTS = EFLAGS_IF;
const {
  budget: LEAVE_BUDGET,
  dispatch: LEAVE_DISPATCH,
  exception: LEAVE_EXCEPTION,
  halt: LEAVE_HALT,
  hot: LEAVE_HOT,
  jumps: LEAVE_JUMPS,
  link: LEAVE_LINK,
  lookup: LEAVE_LOOKUP,
  retry: LEAVE_RETRY,
  shadow: LEAVE_SHADOW,
  stackShadow: LEAVE_STACK_SHADOW,
  stopped: LEAVE_STOPPED,
  wait: LEAVE_WAIT,
} = Leave;

/** A vCPU of the software engine: its registers in linear memory, and the loop that runs it. */
export class WasmVcpu implements Vcpu {
  readonly index: number;
  readonly registers: Registers;
  readonly core: Core;
  private readonly engine: WasmEngine;
  /** Retired and stalled up to the present call of `run`. */
  private retiredBefore = 0;
  private stalledBefore = 0;
  /** Budget kept back while only a part of it may be used. */
  private withheld = 0;
  private running = false;
  private yielding = false;
  private shadow: number = NO_SHADOW;
  /** What `run` returns when an event could not be delivered. */
  private undelivered: Stop = STOPPED;

  constructor(engine: WasmEngine, index: number, surroundings: VcpuSurroundings) {
    this.engine = engine;
    this.index = index;
    this.core = new Core(
      index,
      engine.memory,
      surroundings.map,
      surroundings.moderator,
      surroundings.interrupts,
    );
    this.core.vcpu = this;
    const { core } = this;
    core.codeWritten = (address, size) => engine.codeChanged(core, address, size);
    core.deliverQuickly = (vector, errorCode, cause) =>
      engine.code.deliver(core.base, AT_RIP, vector, errorCode, cause) === DELIVERED;
    this.registers = new CoreRegisters(this.core);
    this.nanosecondsPerInstruction = 1;
    powerOn(this.core);
  }

  get retired(): number {
    if (!this.running) return this.retiredBefore;
    return this.passed - this.stalledBefore - this.core.get(STALL);
  }

  get stalled(): number {
    return this.stalledBefore + (this.running ? this.core.get(STALL) : 0);
  }

  /** `retired` and `stalled` while `run` goes on. */
  private get passed(): number {
    const { core } = this;
    const left = core.inGuest ? instructionsLeft(core, core.get(CALLER)) : 0;
    return this.end - core.budget - left;
  }

  /** `passed` when the budget will be 0. */
  private get end(): number {
    return this.core.f64[END_DOUBLE] as number;
  }

  private set end(instructions: number) {
    this.core.f64[END_DOUBLE] = instructions;
  }

  time(): number {
    const passed = this.running ? this.passed : this.retiredBefore + this.stalledBefore;
    return this.skipped + passed * this.nanosecondsPerInstruction;
  }

  get skipped(): number {
    return this.core.f64[SKIPPED_DOUBLE] as number;
  }

  set skipped(nanoseconds: number) {
    this.core.f64[SKIPPED_DOUBLE] = nanoseconds;
  }

  get nanosecondsPerInstruction(): number {
    return this.core.f64[PER_INSTRUCTION_DOUBLE] as number;
  }

  set nanosecondsPerInstruction(nanoseconds: number) {
    this.core.f64[PER_INSTRUCTION_DOUBLE] = nanoseconds;
  }

  get map(): MemoryMap {
    return this.core.map;
  }

  set map(map: MemoryMap) {
    this.core.map = map;
    this.mapChanged();
  }

  get moderator(): Moderator {
    return this.core.moderator;
  }

  set moderator(moderator: Moderator) {
    this.core.moderator = moderator;
    forgetCpuid(this.core);
  }

  get interrupts(): InterruptController {
    return this.core.interrupts;
  }

  set interrupts(interrupts: InterruptController) {
    this.core.interrupts = interrupts;
  }

  get features(): Features {
    return FEATURE_LEVELS[this.core.level - 1] as Features;
  }

  set features(features: Features) {
    this.core.level = (FEATURE_LEVELS.indexOf(features) + 1) as Level;
  }

  get halted(): boolean {
    return this.core.halted;
  }

  set halted(halted: boolean) {
    this.core.halted = halted;
  }

  reset(): void {
    const { core } = this;
    initialise(core);
    core.halted = false;
    core.nmiPending = core.nmiBlocked = false;
    core.debugPending = 0;
    this.shadow = NO_SHADOW;
    core.modeChanged();
    core.flushTlb();
    if (this.running) this.yield();
  }

  nmi(): void {
    this.core.nmiPending = true;
    this.core.set(LOOK, 1);
  }

  ignoreNumericError(): void {
    const { core } = this;
    if (core.x87.pendingException()) core.set(IGNORING_NUMERIC_ERROR, 1);
  }

  /** What waits for IF anyway needs no look: the instruction that sets it is told to ask. */
  attend(): void {
    const { core } = this;
    if (core.get(SYSTEM_FLAGS) & INTERRUPTS) core.set(LOOK, 1);
    else core.set(WAITING, core.get(WAITING) | INTERRUPTS);
  }

  yield(): void {
    this.yielding = true;
    const { core } = this;
    core.set(LOOK, 1);
    this.end -= core.budget;
    core.budget = 0;
  }

  shorten(budget: number): void {
    const { core } = this;
    // the block that runs has been paid for
    const left = budget - (core.inGuest ? instructionsLeft(core, core.get(CALLER)) : 0);
    const surplus = core.budget + this.withheld - left;
    if (left < 0) this.yield();
    else if (surplus > 0) {
      const unused = Math.min(surplus, this.withheld);
      this.withheld -= unused;
      this.end -= surplus - unused;
      core.budget -= surplus - unused;
    }
  }

  stall(instructions: number): void {
    const { core } = this;
    core.budget -= instructions;
    core.set(STALL, core.get(STALL) + instructions);
  }

  mapChanged(): void {
    this.core.mapChanged();
    this.core.set(LOOK, 1);
  }

  memoryChanged(hostAddress: number, size: number): void {
    this.engine.codeChanged(undefined, hostAddress, size);
  }

  run(budget: number): Stop {
    const { core } = this;
    core.budget = Math.min(budget, 0x7fff_ffff);
    core.set(STALL, 0);
    this.end = this.retiredBefore + this.stalledBefore + core.budget;
    this.yielding = false;
    this.running = true;
    try {
      for (;;) {
        const stop = this.pass();
        if (stop !== undefined) return stop;
      }
    } finally {
      core.inGuest = false;
      this.stalledBefore += core.get(STALL);
      this.retiredBefore = this.end - core.budget - this.stalledBefore;
      this.running = false;
    }
  }

  /**
   * What is pending, then guest code until it leaves for a reason that concerns the run loop. A function
   * of its own, as V8 is slow to optimise a loop that is not left.
   *
   * @returns undefined: go on with another one
   */
  private pass(): Stop | undefined {
    const { core } = this;
    core.set(LOOK, 0);
    if (this.yielding || core.budget <= 0) return BUDGET_STOP;
    const { shadow } = this;
    this.shadow = NO_SHADOW;
    try {
      if (!this.takeEvents(shadow)) return this.undelivered;
      if (core.halted) return HALTED;
      if (core.budget <= 0) return BUDGET_STOP; // the delivery took the last of it
      const eflags = core.get(SYSTEM_FLAGS);
      core.singleStep = (eflags & TRAP) !== 0;
      const breakpoints = hasBreakpoints(core);
      if (breakpoints && shadow !== STACK_SHADOW && !(eflags & RESUME)) this.breakAtInstruction();
      // RF is for one instruction; what faults saves it as set anyway
      if (eflags & RESUME) core.set(SYSTEM_FLAGS, eflags & ~RESUME);
      const waits = !(eflags & INTERRUPTS) && core.interrupts.pending() >= 0;
      core.set(WAITING, (waits ? INTERRUPTS : 0) | (core.nmiBlocked ? NMI_WAITS : 0));
      const single = core.singleStep || breakpoints || (shadow !== NO_SHADOW && this.hasEvents());
      const leave = single ? this.runAtMost(1) : this.enter();
      const stop = this.handle(leave);
      if (stop !== undefined) return stop;
      // the trap of an instruction that loads SS is lost
      if (core.singleStep && leave !== LEAVE_EXCEPTION && leave !== LEAVE_STACK_SHADOW)
        core.debugPending |= SINGLE_STEP;
      return undefined;
    } catch (problem) {
      // Raised outside guest code: by fetching or decoding at RIP.
      if (problem !== ABANDON) throw problem;
      if (core.abandoned() === LEAVE_STOPPED) return STOPPED;
      return this.exception() ? undefined : this.undelivered;
    }
  }

  /** Whether something waits for the end of a shadow. */
  private hasEvents(): boolean {
    const { core } = this;
    return (
      core.debugPending !== 0 ||
      (core.nmiPending && !core.nmiBlocked) ||
      ((core.get(SYSTEM_FLAGS) & INTERRUPTS) !== 0 && core.interrupts.pending() >= 0)
    );
  }

  /** Deliver what is pending between instructions (SDM vol. 3, table 6-2). False: it could not be. */
  private takeEvents(shadow: number): boolean {
    const { core } = this;
    if (shadow === STACK_SHADOW) return true;
    if (core.debugPending !== 0) {
      noteDebugCauses(core);
      core.halted = false;
      if (!this.deliver(1, "exception", -1)) return false;
    } else if (shadow === INTERRUPT_SHADOW) return true;
    if (core.nmiPending && !core.nmiBlocked) {
      core.nmiPending = false;
      core.nmiBlocked = true;
      core.halted = false;
      if (!this.deliver(2, "nmi", -1)) return false;
    }
    if (core.get(SYSTEM_FLAGS) & INTERRUPTS && core.interrupts.pending() >= 0) {
      core.halted = false;
      return this.deliver(core.interrupts.acknowledge(), "external", -1);
    }
    return true;
  }

  /** Each delivery takes the time of one instruction, so that faults in a circle come to an end. */
  private deliver(vector: number, source: EventSource, errorCode: number): boolean {
    this.core.budget--;
    const outcome = deliver(this.core, vector, source, errorCode);
    if (outcome === "delivered") return true;
    this.undelivered =
      outcome === "stopped"
        ? STOPPED
        : { kind: outcome, event: { vector, isException: source === "exception", errorCode } };
    return false;
  }

  private exception(): boolean {
    const { core } = this;
    const vector = core.get(VECTOR);
    return this.deliver(vector, "exception", pushesErrorCode(vector) ? core.get(ERROR_CODE) : -1);
  }

  /** Run from RIP until guest code leaves for a reason that concerns the loop. */
  private enter(): Leave {
    const { core, engine } = this;
    let leave = this.enterAtRip();
    for (;;) {
      // What the next instruction may raise belongs to the next call of `run`.
      if (
        core.budget <= 0 &&
        (leave === LEAVE_LOOKUP || leave === LEAVE_LINK || leave === LEAVE_JUMPS)
      )
        return LEAVE_DISPATCH;
      switch (leave) {
        case LEAVE_LOOKUP:
          // Nothing in the jump cache, or the header of an outdated block; RIP is at its start.
          leave = this.enterRecord(this.find());
          break;
        case LEAVE_LINK: {
          const word = core.get(CALLER);
          const { generation } = engine.blocks;
          const record = this.find();
          if (generation === engine.blocks.generation) core.linearView.setInt32(word, record, true);
          leave = this.enterRecord(record);
          break;
        }
        case LEAVE_HOT: {
          const record = core.get(CALLER);
          const block = engine.blocks.ofRecord(record);
          if (block !== undefined) engine.regions.compile(core, block);
          leave = this.enterRecord(record);
          break;
        }
        case LEAVE_JUMPS:
          engine.regions.jumped(core.get(CALLER));
          leave = this.enterRecord(this.find());
          break;
        case LEAVE_RETRY: {
          const record = this.find();
          engine.regions.retried(core, record);
          leave = this.enterHeader(record);
          break;
        }
        case LEAVE_BUDGET: {
          const left = core.budget;
          if (left <= 0 || this.yielding) return leave;
          leave = this.runAtMost(left);
          break;
        }
        default:
          return leave;
      }
    }
  }

  /** The block at RIP, by its header record. */
  private find(): number {
    const { core } = this;
    const record = this.engine.blocks.find(core);
    core.jumpCache.add(core.get(RIP), core.get(RIP + 4), core.get(MODE), record);
    return record;
  }

  /** The block of one instruction at RIP, by its header record. */
  private findSingle(): number {
    const { core } = this;
    const { blocks } = this.engine;
    const low = core.get(RIP);
    const high = core.get(RIP + 4);
    const mode = core.get(MODE);
    const known = core.jumpCache.single(low, high, mode);
    if (known >= 0 && !blocks.isForgotten(known)) return known;
    const record = blocks.find(core, 1);
    core.jumpCache.addSingle(low, high, mode, record);
    return record;
  }

  private enterAtRip(): Leave {
    this.core.inGuest = true;
    const leave = this.engine.code.jump(this.core.base);
    this.core.inGuest = false;
    return leave;
  }

  private enterRecord(record: number): Leave {
    this.core.inGuest = true;
    const leave = this.engine.code.enter(this.core.base, record);
    this.core.inGuest = false;
    return leave;
  }

  /** As {@link enterRecord}, but in tier 0. */
  private enterHeader(record: number): Leave {
    this.core.inGuest = true;
    const leave = this.engine.code.header(this.core.base, record);
    this.core.inGuest = false;
    return leave;
  }

  /** Raise #DB if a breakpoint is at RIP. */
  private breakAtInstruction(): void {
    const { core } = this;
    const hits = instructionBreakpoints(core, codeLinear(core, core.address(RIP)));
    if (hits === 0) return;
    core.debugPending |= hits;
    noteDebugCauses(core);
    core.raise(1);
  }

  /** Run at most `count` instructions, no more than the budget, to the end of their block. */
  private runAtMost(count: number): Leave {
    const { core } = this;
    const record = count === 1 ? this.findSingle() : this.engine.blocks.find(core, count);
    this.withheld = core.budget - count;
    this.end -= this.withheld;
    core.budget = count;
    core.inGuest = true;
    const leave = this.engine.code.single(core.base, record);
    core.inGuest = false;
    this.end += this.withheld;
    core.budget += this.withheld;
    this.withheld = 0;
    // Linking is for blocks of full length; RIP is at the target already.
    return leave === LEAVE_LINK ? LEAVE_DISPATCH : leave;
  }

  /** Act on why guest code left; a Stop ends `run`. */
  private handle(leave: Leave): Stop | undefined {
    const { core } = this;
    switch (leave) {
      case LEAVE_EXCEPTION:
        this.backToInstruction();
        return this.exception() ? undefined : this.undelivered;
      case LEAVE_STOPPED:
        this.backToInstruction();
        return STOPPED;
      case LEAVE_HALT:
        core.halted = true;
        return undefined;
      case LEAVE_WAIT:
        this.backToInstruction();
        // what the moderator has stirred up may be what it waits for
        core.halted = !this.hasEvents();
        return undefined;
      case LEAVE_SHADOW:
        this.shadow = INTERRUPT_SHADOW;
        return undefined;
      case LEAVE_STACK_SHADOW:
        this.shadow = STACK_SHADOW;
        return undefined;
      default:
        return undefined;
    }
  }

  /** RIP and budget as before the instruction at RECORD. */
  private backToInstruction(): void {
    const { core } = this;
    const record = core.get(CALLER);
    core.budget += instructionsLeft(core, record);
    if (core.ripIsArchitectural) core.ripIsArchitectural = false;
    else core.setAddress(RIP, instructionRip(core, record));
  }

  save(): VcpuState {
    const { core } = this;
    const words = [core.nmiPending, core.nmiBlocked, core.halted, this.shadow].map(Number);
    const bytes = new Uint8Array(TLB_SETS + 24);
    bytes.set(core.linearMemory.subarray(core.base, core.base + TLB_SETS));
    const view = new DataView(bytes.buffer);
    words.forEach((word, i) => {
      view.setUint8(TLB_SETS + i, word);
    });
    view.setUint32(TLB_SETS + 4, core.debugPending, true);
    view.setFloat64(TLB_SETS + 8, this.retiredBefore, true);
    view.setFloat64(TLB_SETS + 16, this.stalledBefore, true);
    return { engine: "wasm", bytes };
  }

  load(state: VcpuState): void {
    if (state.engine !== "wasm" || state.bytes.length !== TLB_SETS + 24)
      throw new RangeError("not a state of this engine");
    const { core } = this;
    core.linearMemory.set(state.bytes.subarray(0, TLB_SETS), core.base);
    const view = new DataView(state.bytes.buffer, state.bytes.byteOffset);
    core.nmiPending = view.getUint8(TLB_SETS) !== 0;
    core.nmiBlocked = view.getUint8(TLB_SETS + 1) !== 0;
    core.halted = view.getUint8(TLB_SETS + 2) !== 0;
    this.shadow = view.getUint8(TLB_SETS + 3);
    core.debugPending = view.getUint32(TLB_SETS + 4, true);
    this.retiredBefore = view.getFloat64(TLB_SETS + 8, true);
    this.stalledBefore = view.getFloat64(TLB_SETS + 16, true);
    core.modeChanged();
    core.mapChanged();
    forgetCpuid(core);
  }
}

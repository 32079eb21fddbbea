/**
 * Runs the vCPUs of a machine on one thread, in turns, always the same way.
 *
 * A round goes from the machine's time to a horizon: the next timer deadline,
 * or one quantum ahead if several vCPUs have something to do. Every vCPU keeps
 * its own time, exact to the instruction; within a round each runs up to the
 * horizon, lowest index first. When all have reached it, the machine's time
 * moves there and due timers fire. A timer armed during a round, or a vCPU
 * woken, pulls the horizon nearer, and the running vCPU stops for it after the
 * instruction that did it. So nothing depends on the host, and no deadline is
 * missed by the vCPU that set it.
 */

import type { Stop, Vcpu } from "../engine/vcpu.ts";
import type { Clock, TimeSource } from "./clock.ts";
import type { Stateful } from "./device.ts";

/** Most instructions in one call of `run`: keeps an engine's counter within 31 bits. */
const MAXIMUM_BUDGET = 2 ** 30;

/** How often, and how long, vCPUs meet after one of them was started by another. */
const CLOSE_QUANTUM_NS = 8;
const CLOSE_NS = 20_000;

/** Why {@link Scheduler.run} came back. */
export type Outcome =
  /** The time asked for is reached. */
  | "deadline"
  /** Every vCPU waits and no timer is armed: only input from outside can go on. */
  | "idle"
  /** {@link Scheduler.stop} was called. */
  | "stopped";

/**
 * Told that a vCPU left `run` by `stopped` or `triple-fault`. Returns true to go on with it (after
 * a reset, say), false to take it offline.
 */
export type StopHandler = (index: number, stop: Stop) => boolean;

export interface SchedulerOptions {
  /** Length of one instruction; default 1. */
  nanosecondsPerInstruction?: number;
  /** Longest slice while several vCPUs run, nanoseconds; default 10,000. */
  quantum?: number;
}

export interface SchedulerState {
  machineTime: number;
  /** Present if the save lies within a round. */
  round: { horizon: number; turn: number; ran: boolean } | undefined;
  close: { from: number; until: number };
  vcpus: { online: boolean; woken: boolean; skipped: number }[];
}

/** A vCPU's place in the scheduler. */
class Slot implements TimeSource {
  readonly vcpu: Vcpu;
  online = true;
  /** Something arrived for it since it last reported that it is halted. */
  woken = false;
  /** The scheduler stops when the vCPU has retired this many instructions. */
  stopAt = Number.POSITIVE_INFINITY;

  constructor(vcpu: Vcpu, nanosecondsPerInstruction: number) {
    this.vcpu = vcpu;
    vcpu.skipped = 0;
    vcpu.nanosecondsPerInstruction = nanosecondsPerInstruction;
  }

  get nanosecondsPerInstruction(): number {
    return this.vcpu.nanosecondsPerInstruction;
  }

  /** Nanoseconds passed without retiring: halted or offline. */
  get skipped(): number {
    return this.vcpu.skipped;
  }

  set skipped(nanoseconds: number) {
    this.vcpu.skipped = nanoseconds;
  }

  time(): number {
    return this.vcpu.time();
  }

  /** Let time pass without instructions, up to `toNs`. */
  skipTo(toNs: number): void {
    const ahead = toNs - this.time();
    if (ahead > 0) this.skipped += ahead;
  }

  get runnable(): boolean {
    return this.online && (this.woken || !this.vcpu.halted);
  }
}

export class Scheduler implements Stateful<SchedulerState> {
  readonly #clock: Clock;
  readonly #slots: Slot[];
  /** Longest slice while several vCPUs run, nanoseconds. A run ends at a multiple of it. */
  readonly quantum: number;
  readonly #onStop: StopHandler;
  #current: Slot | undefined = undefined;
  /** No vCPU runs beyond this time in the present round. */
  #horizon = 0;
  /** Slot whose turn it is in the present round. */
  #turn = 0;
  /** Somebody ran since slot 0 last had its turn. */
  #ran = false;
  /** When vCPUs meet every {@link CLOSE_QUANTUM_NS}: around the start of one. */
  #close = { from: 0, until: 0 };
  /** A round was interrupted by {@link stop}. */
  #inRound = false;
  #stopping = false;

  /** Takes over the clock's `source` and what each vCPU's `time` follows from. Slot n is `vcpus[n]`, all online. */
  constructor(
    clock: Clock,
    vcpus: readonly Vcpu[],
    onStop: StopHandler,
    options: SchedulerOptions = {},
  ) {
    const nanoseconds = options.nanosecondsPerInstruction ?? 1;
    const quantum = options.quantum ?? 10_000;
    if (!(nanoseconds > 0 && Number.isFinite(nanoseconds)))
      throw new RangeError(`nanosecondsPerInstruction ${nanoseconds}: must be positive`);
    if (!(quantum >= nanoseconds))
      throw new RangeError(
        `quantum ${quantum}: must be at least one instruction of ${nanoseconds}`,
      );
    this.#clock = clock;
    this.#onStop = onStop;
    this.quantum = quantum;
    this.#slots = vcpus.map((vcpu) => {
      const slot = new Slot(vcpu, nanoseconds);
      slot.skipTo(clock.now);
      return slot;
    });
    clock.onEarlierDeadline = (deadlineNs) => this.#pullHorizon(deadlineNs);
  }

  /**
   * Run until the machine's time is `untilNs`, rounded up to a multiple of the quantum so that
   * where a run is interrupted changes nothing in it; or until all wait for nothing, or {@link stop}.
   */
  run(untilNs: number): Outcome {
    const clock = this.#clock;
    const limit = Math.ceil(untilNs / this.quantum) * this.quantum;
    this.#stopping = false;
    for (;;) {
      if (!this.#inRound) {
        clock.advance(clock.machineTime);
        if (this.#stopping) return "stopped";
        if (clock.machineTime >= limit) return "deadline";
        const runnable = this.#countRunnable();
        const deadline = clock.nextDeadline();
        if (runnable === 0 && deadline === Number.POSITIVE_INFINITY) return "idle";
        this.#horizon = Math.min(deadline, limit);
        if (runnable > 1) this.#horizon = Math.min(this.#horizon, this.#meeting(clock.machineTime));
        this.#turn = 0;
        this.#ran = false;
        this.#inRound = runnable > 0;
      }
      if (this.#inRound) {
        this.#round();
        if (this.#stopping) return "stopped";
        this.#inRound = false;
        clock.advance(this.#roundEnd());
      } else clock.advance(this.#horizon);
    }
  }

  /**
   * Leave {@link run} after the current instruction; the next `run` goes on exactly there. Other
   * vCPUs, and the machine's time, may be up to a round behind.
   */
  stop(): void {
    this.#stopping = true;
    this.#current?.vcpu.yield();
  }

  /**
   * Stop {@link run} when a vCPU has retired so many instructions since power-on: for stepping, and
   * for going to a recorded moment. Like {@link stop} it changes nothing in the run. Infinity takes
   * it back; it is gone once it has stopped.
   * @throws RangeError if the vCPU is past that already
   */
  stopAt(index: number, retired: number): void {
    const slot = this.#slots[index];
    if (retired <= slot.vcpu.retired)
      throw new RangeError(
        `CPU ${index} has retired ${slot.vcpu.retired} instructions already, not ${retired}`,
      );
    slot.stopAt = retired;
  }

  /** After "idle": let time pass that nobody uses. @throws RangeError if a deadline lies before `toNs` */
  skipTo(toNs: number): void {
    if (this.#clock.nextDeadline() < toNs)
      throw new RangeError(
        `cannot skip to ${toNs} ns: a timer is due at ${this.#clock.nextDeadline()} ns`,
      );
    this.#clock.advance(toNs);
  }

  /**
   * An interrupt, NMI or reset arrived for a vCPU: it looks at its pins again, at once if it is the
   * running one, from the present moment on if it was halted.
   */
  wake(index: number): void {
    const slot = this.#slots[index];
    if (slot === this.#current) {
      slot.vcpu.attend();
      return;
    }
    if (slot.woken) return;
    if (slot.vcpu.halted) slot.skipTo(this.#clock.now);
    slot.woken = true;
    if (slot.online) this.#shareHorizon();
  }

  /** From inside an exit: the access takes the running vCPU as long as so many instructions. */
  stall(instructions: number): void {
    this.#current?.vcpu.stall(instructions);
  }

  /** False: parked or in wait-for-SIPI, not run at all. True: runs from the present moment on. */
  setOnline(index: number, online: boolean): void {
    const slot = this.#slots[index];
    if (slot.online === online) return;
    slot.online = online;
    if (online) {
      slot.skipTo(this.#clock.now);
      if (slot !== this.#current) this.#shareHorizon();
    } else if (slot === this.#current) slot.vcpu.yield();
  }

  isOnline(index: number): boolean {
    return this.#slots[index].online;
  }

  /**
   * A vCPU set online starts only after `latencyNs`; for a while from then on CPUs meet often, so
   * that one which waits for the other's first steps sees them in time, as on shared caches.
   */
  delayStart(index: number, latencyNs: number): void {
    const slot = this.#slots[index];
    const start = Math.max(slot.time(), this.#clock.now) + latencyNs;
    slot.skipTo(start);
    this.#close = { from: start, until: start + CLOSE_NS };
    if (this.#current !== undefined && this.#current !== slot) this.#shareHorizon();
  }

  /** A vCPU's own time in nanoseconds since power-on. */
  timeOf(index: number): number {
    return Math.max(this.#slots[index].time(), this.#clock.machineTime);
  }

  /** The vCPU inside whose `run` we are, or undefined. */
  get currentIndex(): number | undefined {
    const current = this.#current;
    return current === undefined ? undefined : this.#slots.indexOf(current);
  }

  save(): SchedulerState {
    return {
      machineTime: this.#clock.machineTime,
      round: this.#inRound
        ? { horizon: this.#horizon, turn: this.#turn, ran: this.#ran }
        : undefined,
      close: { ...this.#close },
      vcpus: this.#slots.map(({ online, woken, skipped }) => ({ online, woken, skipped })),
    };
  }

  /** The vCPUs' own states must be loaded too: their times are counted in retired instructions. */
  load(state: SchedulerState): void {
    this.#clock.load(state.machineTime);
    this.#inRound = state.round !== undefined;
    if (state.round !== undefined) {
      this.#horizon = state.round.horizon;
      this.#turn = state.round.turn;
      this.#ran = state.round.ran;
    }
    this.#close = { ...state.close };
    state.vcpus.forEach((saved, index) => {
      Object.assign(this.#slots[index], saved);
    });
  }

  /** Where vCPUs that run side by side next wait for each other: a grid, the same however a run is cut. */
  #meeting(afterNs: number): number {
    const { from, until } = this.#close;
    if (afterNs >= from && afterNs < until)
      return (Math.floor(afterNs / CLOSE_QUANTUM_NS) + 1) * CLOSE_QUANTUM_NS;
    const next = (Math.floor(afterNs / this.quantum) + 1) * this.quantum;
    return afterNs < from ? Math.min(next, from) : next;
  }

  #countRunnable(): number {
    let runnable = 0;
    for (const slot of this.#slots) if (slot.runnable) runnable++;
    return runnable;
  }

  /** The horizon; or, once nobody has anything to do, the moment the last one stopped. */
  #roundEnd(): number {
    if (this.#countRunnable() > 0) return this.#horizon;
    let latest = this.#clock.machineTime;
    for (const slot of this.#slots) latest = Math.max(latest, slot.time());
    return Math.min(latest, this.#horizon);
  }

  /** Bring every vCPU to the horizon, which may come nearer meanwhile. */
  #round(): void {
    const slots = this.#slots;
    for (;;) {
      while (this.#turn < slots.length) {
        const slot = slots[this.#turn];
        if (slot.runnable) {
          slot.skipTo(this.#clock.machineTime);
          if (slot.time() < this.#horizon) {
            this.#ran = true;
            this.#runSlot(slot);
            if (this.#stopping) return;
          }
        }
        this.#turn++;
      }
      // a vCPU may have woken one that already had its turn: it still has time before the horizon
      if (!this.#ran) return;
      this.#turn = 0;
      this.#ran = false;
    }
  }

  #runSlot(slot: Slot): void {
    const { vcpu } = slot;
    this.#current = slot;
    this.#clock.source = slot;
    while (slot.runnable && !this.#stopping) {
      const before = slot.time();
      if (before >= this.#horizon) break;
      const ahead = Math.ceil((this.#horizon - before) / slot.nanosecondsPerInstruction);
      slot.woken = false;
      const stop = vcpu.run(Math.min(ahead, slot.stopAt - vcpu.retired, MAXIMUM_BUDGET));
      if (vcpu.retired >= slot.stopAt) {
        slot.stopAt = Number.POSITIVE_INFINITY;
        this.#stopping = true;
      }
      if (stop.kind === "stopped" || stop.kind === "triple-fault") {
        // one that the exit itself took offline is reported too, and stays offline
        if (!this.#onStop(vcpu.index, stop)) slot.online = false;
      }
      if (stop.kind === "halted" && vcpu.halted) break;
      // it ran out of time behind its HLT, and has not looked whether something arrived before that
      if (vcpu.halted) slot.woken = true;
      // whatever a guest does costs time: a vCPU that retires nothing must not hold the machine
      if (slot.time() === before && !this.#stopping) slot.skipped += slot.nanosecondsPerInstruction;
    }
    this.#clock.source = undefined;
    this.#current = undefined;
  }

  /** Another vCPU has become runnable: the running one may not run far ahead of it. */
  #shareHorizon(): void {
    if (this.#current !== undefined) this.#pullHorizon(this.#meeting(this.#current.time()));
  }

  #pullHorizon(toNs: number): void {
    if (toNs >= this.#horizon) return;
    const current = this.#current;
    if (current === undefined) return;
    const now = current.time();
    this.#horizon = Math.max(toNs, now);
    current.vcpu.shorten(Math.ceil((this.#horizon - now) / current.nanosecondsPerInstruction));
  }
}

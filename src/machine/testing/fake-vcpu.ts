/** A vCPU for tests: its program is a function called once an instruction. */

import type {
  Features,
  InterruptController,
  MemoryMap,
  Moderator,
  Registers,
  Stop,
  Vcpu,
  VcpuState,
} from "../../engine/vcpu.ts";
import { fakeRegisters } from "./fake-registers.ts";

/** What an instruction did: undefined retires, a stop leaves `run` without retiring. */
export type Effect = undefined | Stop;

export class FakeVcpu implements Vcpu {
  readonly index: number;
  readonly registers: Registers = fakeRegisters();
  features: Features = "x86-64-v3";
  retired = 0;
  stalled = 0;
  halted = false;
  interruptsEnabled = true;
  map: MemoryMap = { find: () => undefined };
  moderator: Moderator = { exit: () => "native" };
  interrupts: InterruptController = { pending: () => -1, acknowledge: () => -1, taskPriority: 0 };
  skipped = 0;
  nanosecondsPerInstruction = 1;
  resets = 0;
  nmis = 0;
  /** Vectors taken, with the local time at which they were. */
  readonly taken: { vector: number; at: number }[] = [];
  #yielding = false;
  #end = 0;
  step: (vcpu: FakeVcpu) => Effect;

  constructor(index: number, step: (vcpu: FakeVcpu) => Effect = () => undefined) {
    this.index = index;
    this.step = step;
  }

  time(): number {
    return this.skipped + (this.retired + this.stalled) * this.nanosecondsPerInstruction;
  }

  reset(): void {
    this.resets++;
    this.halted = false;
  }

  run(budget: number): Stop {
    this.#end = this.retired + budget;
    this.#yielding = false;
    while (this.retired < this.#end) {
      if (this.interruptsEnabled && this.interrupts.pending() >= 0) {
        this.halted = false;
        this.taken.push({ vector: this.interrupts.acknowledge(), at: this.time() });
      }
      if (this.halted) return { kind: "halted" };
      const effect = this.step(this);
      if (effect !== undefined && effect.kind !== "halted") return effect;
      this.retired++;
      if (effect !== undefined) this.halted = true;
      else if (this.#yielding) break;
    }
    return { kind: "budget" };
  }

  /** It looks before each instruction. */
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

  nmi(): void {
    this.nmis++;
    this.halted = false;
  }

  mapChanged(): void {}
  memoryChanged(): void {}

  save(): VcpuState {
    return { engine: "fake", bytes: new TextEncoder().encode(`${this.retired} ${this.halted}`) };
  }

  load(state: VcpuState): void {
    const [retired, halted] = new TextDecoder().decode(state.bytes).split(" ");
    this.retired = Number(retired);
    this.halted = halted === "true";
  }
}

/** HLT, as a {@link FakeVcpu} instruction. */
export const HLT: Stop = { kind: "halted" };

/** An interrupt controller that holds whatever vectors it is given, first in first out. */
export class FakeInterrupts implements InterruptController {
  readonly vectors: number[] = [];
  taskPriority = 0;
  pending(): number {
    return this.vectors[0] ?? -1;
  }
  acknowledge(): number {
    return this.vectors.shift() ?? -1;
  }
}

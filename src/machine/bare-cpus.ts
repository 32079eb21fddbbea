/** What INIT, start-up and NMI do to the CPUs of a board that nobody partitions (Intel SDM vol. 3, 9.4). */

import type { Stop, Vcpu } from "../engine/vcpu.ts";
import type { CpuSignals } from "./apic-bus.ts";
import type { Stateful } from "./device.ts";
import type { LocalApic } from "./local-apic.ts";
import type { Scheduler } from "./scheduler.ts";

export interface BareCpusState {
  waitsForSipi: boolean[];
}

export class BareCpus implements CpuSignals, Stateful<BareCpusState> {
  readonly #vcpus: readonly Vcpu[];
  readonly #lapics: readonly LocalApic[];
  readonly #scheduler: Scheduler;
  readonly #waitsForSipi: boolean[];
  /** INIT came from the CPU's own instruction: done once that has been abandoned. */
  readonly #initPending: boolean[];

  /** CPU 0 is the bootstrap processor and runs; the others wait for their start-up message. */
  constructor(vcpus: readonly Vcpu[], lapics: readonly LocalApic[], scheduler: Scheduler) {
    this.#vcpus = vcpus;
    this.#lapics = lapics;
    this.#scheduler = scheduler;
    this.#waitsForSipi = vcpus.map((_, cpu) => cpu !== 0);
    this.#initPending = vcpus.map(() => false);
    for (let cpu = 1; cpu < vcpus.length; cpu++) scheduler.setOnline(cpu, false);
  }

  wake(cpu: number): void {
    this.#scheduler.wake(cpu);
  }

  nmi(cpu: number): void {
    if (this.#waitsForSipi[cpu]) return;
    this.#vcpus[cpu].nmi();
    this.#scheduler.wake(cpu);
  }

  init(cpu: number): void {
    if (this.#scheduler.currentIndex === cpu) {
      this.#initPending[cpu] = true;
      return;
    }
    this.#reset(cpu);
    this.#scheduler.setOnline(cpu, cpu === 0);
    this.#scheduler.wake(cpu);
  }

  sipi(cpu: number, vector: number): void {
    if (!this.#waitsForSipi[cpu]) return;
    this.#waitsForSipi[cpu] = false;
    const { registers } = this.#vcpus[cpu];
    const code = { selector: vector << 8, base: BigInt(vector << 12), limit: 0xffff };
    registers.setSegment("cs", { ...code, attributes: 0x9b });
    registers.set("rip", 0n);
    this.#scheduler.setOnline(cpu, true);
    this.#scheduler.wake(cpu);
  }

  /** Whether the CPU's present instruction must be abandoned for its own INIT. */
  mustStop(cpu: number): boolean {
    return this.#initPending[cpu];
  }

  /** A scheduler's `StopHandler`: performs a pending INIT. @returns whether the CPU goes on */
  stopped(cpu: number, stop: Stop): boolean {
    if (stop.kind !== "stopped" || !this.#initPending[cpu]) return false;
    this.#initPending[cpu] = false;
    this.#reset(cpu);
    return cpu === 0;
  }

  /** Not from inside an exit: no INIT is pending then. */
  save(): BareCpusState {
    return { waitsForSipi: [...this.#waitsForSipi] };
  }

  load(state: BareCpusState): void {
    state.waitsForSipi.forEach((waits, cpu) => {
      this.#waitsForSipi[cpu] = waits;
      this.#initPending[cpu] = false;
    });
  }

  /** The bootstrap processor starts over, the others wait for SIPI. */
  #reset(cpu: number): void {
    this.#lapics[cpu].reset();
    this.#vcpus[cpu].reset();
    this.#waitsForSipi[cpu] = cpu !== 0;
  }
}

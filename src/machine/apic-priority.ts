/**
 * Which interrupt a local APIC hands to its CPU: acceptance, priorities, end of interrupt (Intel
 * SDM vol. 3, 11.8).
 */

import { VectorSet } from "./apic-vectors.ts";
import type { Stateful } from "./device.ts";

export interface ApicPriorityState {
  taskPriority: number;
  irr: Uint32Array;
  isr: Uint32Array;
  tmr: Uint32Array;
}

export class ApicPriority implements Stateful<ApicPriorityState> {
  /** Interrupt request, in-service and trigger mode registers. */
  readonly irr = new VectorSet();
  readonly isr = new VectorSet();
  readonly tmr = new VectorSet();
  #taskPriority = 0;
  /** The vector that goes to the CPU next, or -1. */
  deliverable = -1;

  reset(): void {
    this.#taskPriority = 0;
    this.irr.words.fill(0);
    this.isr.words.fill(0);
    this.tmr.words.fill(0);
    this.deliverable = -1;
  }

  /** TPR, 0..0xff. */
  get taskPriority(): number {
    return this.#taskPriority;
  }

  set taskPriority(value: number) {
    this.#taskPriority = value & 0xff;
    this.#update();
  }

  /** PPR: only a vector of a higher class (bits 7:4) interrupts. */
  get processorPriority(): number {
    const inService = Math.max(0, this.isr.highest());
    return this.#taskPriority >> 4 >= inService >> 4 ? this.#taskPriority : inService & 0xf0;
  }

  /** APR: the lowest takes an interrupt of lowest-priority delivery. */
  get arbitrationPriority(): number {
    const task = this.#taskPriority >> 4;
    const requested = Math.max(0, this.irr.highest()) >> 4;
    const inService = Math.max(0, this.isr.highest()) >> 4;
    if (task >= requested && task > inService) return this.#taskPriority;
    return Math.max(task & inService, requested) << 4;
  }

  /** Request a vector, 16..255. */
  accept(vector: number, level: boolean): void {
    this.irr.add(vector);
    if (level) this.tmr.add(vector);
    else this.tmr.delete(vector);
    this.#update();
  }

  /** Move the deliverable vector into service. @returns it, or -1 */
  acknowledge(): number {
    const vector = this.deliverable;
    if (vector < 0) return -1;
    this.irr.delete(vector);
    this.isr.add(vector);
    this.#update();
    return vector;
  }

  /** Retire the highest vector in service. @returns it, or -1 if there was none */
  endOfInterrupt(): number {
    const vector = this.isr.highest();
    if (vector < 0) return -1;
    this.isr.delete(vector);
    this.#update();
    return vector;
  }

  save(): ApicPriorityState {
    return {
      taskPriority: this.#taskPriority,
      irr: this.irr.words.slice(),
      isr: this.isr.words.slice(),
      tmr: this.tmr.words.slice(),
    };
  }

  load(state: ApicPriorityState): void {
    this.irr.words.set(state.irr);
    this.isr.words.set(state.isr);
    this.tmr.words.set(state.tmr);
    this.taskPriority = state.taskPriority;
  }

  #update(): void {
    const requested = this.irr.highest();
    this.deliverable = requested >> 4 > this.processorPriority >> 4 ? requested : -1;
  }
}

/**
 * An output stream (3.3.35 to 3.3.42, 4.5): walks the buffers of its descriptor list at the pace of
 * the samples and reports the end of those that ask for it. The codec plays into nothing, so only
 * the descriptors are fetched. Input streams have no source, and stand still.
 */

import type { Clock, Timer } from "../clock.ts";
import type { Stateful } from "../device.ts";
import type { PciConfiguration } from "../pci/function.ts";
import type { RegisterBytes } from "../register-bytes.ts";
import * as reg from "./registers.ts";

/** How often position and buffers advance at least. */
const STEPS_PER_SECOND = 1000;

const DESCRIPTOR_BYTES = 16;
const INTERRUPT_ON_COMPLETION = 1;

/** FMT: bytes that a sample takes. */
const SAMPLE_BYTES: readonly number[] = [1, 2, 4, 4, 4, 4, 4, 4];

export interface HdaStreamState {
  running: boolean;
  startedNs: number;
  played: number;
  index: number;
  inBuffer: number;
  stepBytes: number;
  deadlineNs: number;
}

/** Bytes of one sample of all channels, and bytes in a second. */
export function streamRate(format: number): { frameBytes: number; bytesPerSecond: number } {
  const base = (format & 0x4000) !== 0 ? 44100 : 48000;
  const hertz = (base * (((format >>> 11) & 7) + 1)) / (((format >>> 8) & 7) + 1);
  const frameBytes = SAMPLE_BYTES[(format >>> 4) & 7] * ((format & 0xf) + 1);
  return { frameBytes, bytesPerSecond: hertz * frameBytes };
}

export class HdaStream implements Stateful<HdaStreamState> {
  readonly #registers: RegisterBytes;
  readonly #number: number;
  readonly #base: number;
  readonly #pci: PciConfiguration;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #changed: () => void;
  readonly #descriptor = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #view = new DataView(this.#descriptor.buffer);
  #running = false;
  #startedNs = 0;
  /** Bytes since it was started. */
  #played = 0;
  /** Which descriptor of the list, and how far into its buffer. */
  #index = 0;
  #inBuffer = 0;
  /** What the step under way will have played. */
  #stepBytes = 0;

  /** @param changed the interrupt condition may have changed */
  constructor(
    registers: RegisterBytes,
    number: number,
    pci: PciConfiguration,
    clock: Clock,
    changed: () => void,
  ) {
    this.#registers = registers;
    this.#number = number;
    this.#base = reg.STREAM + number * reg.STREAM_BYTES;
    this.#pci = pci;
    this.#clock = clock;
    this.#changed = changed;
    this.#timer = clock.timer(() => this.#step());
  }

  get interruptPending(): boolean {
    return (this.#get(reg.STS, 1) & this.#get(reg.CTL, 1) & reg.CTL_INTERRUPTS) !== 0;
  }

  /** Its control byte has been written. @param powerOn the registers as after power-on */
  controlled(powerOn: Uint8Array): void {
    const control = this.#get(reg.CTL, 1);
    if ((control & reg.CTL_RESET) !== 0) {
      for (let n = 0; n < reg.STREAM_BYTES; n++)
        this.#registers.set(this.#base + n, 1, powerOn[this.#base + n]);
      this.#set(reg.CTL, 1, reg.CTL_RESET);
      this.reset();
      return;
    }
    const run = (control & reg.CTL_RUN) !== 0;
    if (run === this.#running) return;
    this.#running = run;
    const ready = run ? reg.STS_FIFO_READY : 0;
    this.#set(reg.STS, 1, (this.#get(reg.STS, 1) & ~reg.STS_FIFO_READY) | ready);
    this.#timer.disarm();
    if (!run || this.#number < reg.INPUT_STREAMS) return;
    this.#startedNs = this.#clock.now;
    this.#played = 0;
    this.#next();
  }

  reset(): void {
    this.#running = false;
    this.#index = 0;
    this.#inBuffer = 0;
    this.#timer.disarm();
  }

  save(): HdaStreamState {
    return {
      running: this.#running,
      startedNs: this.#startedNs,
      played: this.#played,
      index: this.#index,
      inBuffer: this.#inBuffer,
      stepBytes: this.#stepBytes,
      deadlineNs: this.#timer.deadline,
    };
  }

  load(state: HdaStreamState): void {
    this.#running = state.running;
    this.#startedNs = state.startedNs;
    this.#played = state.played;
    this.#index = state.index;
    this.#inBuffer = state.inBuffer;
    this.#stepBytes = state.stepBytes;
    this.#timer.arm(state.deadlineNs);
  }

  #get(register: number, width: 1 | 2 | 4): number {
    return this.#registers.get(this.#base + register, width);
  }

  #set(register: number, width: 1 | 2 | 4, value: number): void {
    this.#registers.set(this.#base + register, width, value);
  }

  /** @returns bytes of the buffer at hand; undefined: the list cannot be read */
  #fetch(): number | undefined {
    const list = this.#get(reg.BDPU, 4) * 2 ** 32 + this.#get(reg.BDPL, 4);
    return this.#pci.dmaRead(list + this.#index * DESCRIPTOR_BYTES, this.#descriptor)
      ? this.#view.getUint32(8, true)
      : undefined;
  }

  /** Play on: to the end of the buffer, or for a while. */
  #next(): void {
    const bytes = this.#fetch();
    if (bytes === undefined) {
      this.#set(reg.STS, 1, this.#get(reg.STS, 1) | reg.STS_DESCRIPTOR_ERROR);
      this.#changed();
      return;
    }
    const { frameBytes, bytesPerSecond } = streamRate(this.#get(reg.FMT, 2));
    const step = Math.ceil(bytesPerSecond / STEPS_PER_SECOND / frameBytes) * frameBytes;
    this.#stepBytes = Math.max(0, Math.min(step, bytes - this.#inBuffer));
    // an empty buffer takes as long as one sample: a list of nothing else must not stop the machine
    this.#played += this.#stepBytes || frameBytes;
    this.#timer.arm(this.#startedNs + Math.ceil((this.#played * 1e9) / bytesPerSecond));
  }

  #step(): void {
    const cyclicBytes = this.#get(reg.CBL, 4);
    const position = this.#get(reg.LPIB, 4) + this.#stepBytes;
    this.#set(reg.LPIB, 4, cyclicBytes === 0 ? 0 : position % cyclicBytes);
    this.#inBuffer += this.#stepBytes;
    this.#writePosition();
    const bytes = this.#fetch();
    if (bytes !== undefined && this.#inBuffer >= bytes) {
      const flags = this.#view.getUint32(12, true);
      this.#inBuffer = 0;
      this.#index = this.#index >= this.#get(reg.LVI, 2) ? 0 : this.#index + 1;
      if ((flags & INTERRUPT_ON_COMPLETION) !== 0)
        this.#set(reg.STS, 1, this.#get(reg.STS, 1) | reg.STS_COMPLETE);
    }
    this.#next();
    this.#changed();
  }

  /** The DMA position buffer: a double word for each stream, every other one. */
  #writePosition(): void {
    const low = this.#registers.get(reg.DPLBASE, 4);
    if ((low & reg.DPLBASE_ENABLE) === 0) return;
    const base = this.#registers.get(reg.DPUBASE, 4) * 2 ** 32 + (low & ~0x7f);
    const position = new Uint8Array(4);
    new DataView(position.buffer).setUint32(0, this.#get(reg.LPIB, 4), true);
    this.#pci.dmaWrite(base + 8 * this.#number, position);
  }
}

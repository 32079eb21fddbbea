/**
 * Intel High Definition Audio controller of an ICH6, with one codec on its link: reset, interrupts,
 * and which part of it each register belongs to (High Definition Audio Specification 1.0a, 3.3, 4.3).
 */

import type { Width } from "../../engine/vcpu.ts";
import type { Clock, Timer } from "../clock.ts";
import type { MemoryDevice, PortWidth, ReadResult, Stateful } from "../device.ts";
import { PciConfiguration, type PciConfigurationState } from "../pci/function.ts";
import type { PciSlot } from "../pci/slot.ts";
import type { Bdf } from "../pci-host.ts";
import { touches } from "../register-bytes.ts";
import { HdaCodec, type HdaCodecState } from "./codec.ts";
import { CommandRings, type CommandRingsState } from "./command-rings.ts";
import * as reg from "./registers.ts";
import { HdaStream, type HdaStreamState } from "./stream.ts";

/** BAR 0. */
export const INTEL_HDA_BYTES = 0x4000;

/** Codecs ask for their address within 25 frames of 48 kHz after reset (4.3). */
const ENUMERATION_NS = 521_000;
/** WALCLK counts at 24 MHz. */
const WALL_CLOCK_MHZ = 24;

export interface IntelHdaOptions {
  /** Address of BAR 0. */
  readonly bar0?: number | undefined;
}

export interface IntelHdaState {
  pci: PciConfigurationState;
  registers: Uint8Array;
  codec: HdaCodecState;
  rings: CommandRingsState;
  streams: HdaStreamState[];
  outOfResetNs: number;
  enumerationNs: number;
}

export class IntelHda implements MemoryDevice, Stateful<IntelHdaState> {
  readonly bdf: Bdf;
  readonly pci: PciConfiguration;
  readonly #clock: Clock;
  readonly #registers = reg.hdaRegisters();
  readonly #powerOn = this.#registers.save();
  readonly #codec = new HdaCodec();
  readonly #rings: CommandRings;
  readonly #streams: readonly HdaStream[];
  readonly #enumeration: Timer;
  #outOfResetNs = 0;

  /** @throws RangeError if the address of a BAR is none */
  constructor(slot: PciSlot, options: IntelHdaOptions) {
    const { clock } = slot;
    this.bdf = slot.bdf;
    this.#clock = clock;
    this.pci = new PciConfiguration(
      slot,
      {
        name: "HD Audio",
        vendor: 0x8086,
        device: 0x2668,
        classCode: 0x040300,
        revision: 1,
        subsystemVendor: 0x1af4,
        subsystem: 0x1100,
        interruptPin: 1,
        msi: 0x60,
      },
      [{ kind: "memory", size: INTEL_HDA_BYTES, device: this }],
      [options.bar0],
    );
    this.#rings = new CommandRings(this.#registers, this.pci, [this.#codec]);
    this.#streams = Array.from(
      { length: reg.STREAMS },
      (_, n) => new HdaStream(this.#registers, n, this.pci, clock, () => this.#driveInterrupt()),
    );
    this.#enumeration = clock.timer(() => this.#enumerate());
  }

  memoryRead(offset: number, width: Width, result: ReadResult): void {
    if (width === 8) {
      result.lo = this.#read(offset, 4);
      result.hi = this.#read(offset + 4, 4);
    } else {
      result.lo = this.#read(offset, width);
      result.hi = 0;
    }
  }

  memoryWrite(offset: number, width: Width, lo: number, hi: number): void {
    if (width === 8) {
      this.#write(offset, 4, lo);
      this.#write(offset + 4, 4, hi);
    } else this.#write(offset, width, lo);
  }

  save(): IntelHdaState {
    return {
      pci: this.pci.save(),
      registers: this.#registers.save(),
      codec: this.#codec.save(),
      rings: this.#rings.save(),
      streams: this.#streams.map((stream) => stream.save()),
      outOfResetNs: this.#outOfResetNs,
      enumerationNs: this.#enumeration.deadline,
    };
  }

  load(state: IntelHdaState): void {
    this.#registers.load(state.registers);
    this.#codec.load(state.codec);
    this.#rings.load(state.rings);
    this.#streams.forEach((stream, n) => {
      stream.load(state.streams[n]);
    });
    this.#outOfResetNs = state.outOfResetNs;
    this.#enumeration.arm(state.enumerationNs);
    this.pci.load(state.pci);
  }

  get #isReset(): boolean {
    return (this.#registers.get(reg.GCTL, 4) & reg.GCTL_CRST) === 0;
  }

  #read(offset: number, width: PortWidth): number {
    if (offset + width > reg.REGISTER_BYTES) return 0;
    if (touches(offset, width, reg.WALCLK, 4)) this.#registers.set(reg.WALCLK, 4, this.#wallClock);
    return this.#registers.get(offset, width);
  }

  #write(offset: number, width: PortWidth, value: number): void {
    if (offset + width > reg.REGISTER_BYTES) return;
    const wasReset = this.#isReset;
    // what stays powered in reset, and the way out of it
    const awake =
      touches(offset, width, reg.GCTL, 4) ||
      touches(offset, width, reg.WAKEEN, 2) ||
      touches(offset, width, reg.STATESTS, 2);
    if (wasReset && !awake) return;
    this.#registers.write(offset, width, value);
    if (this.#isReset !== wasReset) {
      if (wasReset) this.#leaveReset();
      else this.#enterReset();
    }
    this.#rings.written(offset, width);
    this.#streams.forEach((stream, n) => {
      if (touches(offset, width, reg.STREAM + n * reg.STREAM_BYTES, 1))
        stream.controlled(this.#powerOn);
    });
    this.#driveInterrupt();
  }

  get #wallClock(): number {
    if (this.#isReset) return 0;
    return ((((this.#clock.now - this.#outOfResetNs) * WALL_CLOCK_MHZ) / 1000) % 2 ** 32) >>> 0;
  }

  /** All but the wake registers, which stay powered. */
  #enterReset(): void {
    const registers = this.#registers;
    const wakeEnable = registers.get(reg.WAKEEN, 2);
    const stateStatus = registers.get(reg.STATESTS, 2);
    registers.load(this.#powerOn);
    registers.set(reg.WAKEEN, 2, wakeEnable);
    registers.set(reg.STATESTS, 2, stateStatus);
    this.#rings.reset();
    for (const stream of this.#streams) stream.reset();
    this.#codec.reset();
    this.#enumeration.disarm();
  }

  #leaveReset(): void {
    this.#outOfResetNs = this.#clock.now;
    this.#enumeration.arm(this.#clock.now + ENUMERATION_NS);
  }

  /** Codec 0 has asked for its address. */
  #enumerate(): void {
    this.#registers.set(reg.STATESTS, 2, this.#registers.get(reg.STATESTS, 2) | 1);
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    const registers = this.#registers;
    const wake = registers.get(reg.STATESTS, 2) & registers.get(reg.WAKEEN, 2);
    let status = wake !== 0 || this.#rings.interruptPending ? reg.CONTROLLER_INTERRUPT : 0;
    this.#streams.forEach((stream, n) => {
      if (stream.interruptPending) status |= 1 << n;
    });
    registers.set(reg.INTSTS, 4, status === 0 ? 0 : status | reg.GLOBAL_INTERRUPT);
    const enable = registers.get(reg.INTCTL, 4);
    this.pci.interrupt.set(
      (enable & reg.GLOBAL_INTERRUPT) !== 0 && (status & enable & ~reg.GLOBAL_INTERRUPT) !== 0,
    );
  }
}

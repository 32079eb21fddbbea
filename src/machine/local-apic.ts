/**
 * The local APIC of one CPU (Intel SDM vol. 3, chapter 11): its registers by
 * number, and what it sends and receives. How a guest reaches the registers, by
 * page or by MSR, is in `apic-window.ts`.
 */

import type { InterruptController } from "../engine/vcpu.ts";
import type { ApicBus } from "./apic-bus.ts";
import { ApicPriority, type ApicPriorityState } from "./apic-priority.ts";
import * as apic from "./apic-registers.ts";
import { ApicTimer, type ApicTimerState } from "./apic-timer.ts";
import type { Clock } from "./clock.ts";
import type { InterruptLine, Stateful } from "./device.ts";
import { LocalVectorTable, type LocalVectorTableState, type Pin } from "./local-vector-table.ts";

/** A controller that supplies its own vector when the CPU acknowledges: the 8259 pair. */
export interface ExternalController {
  /** The vector that an acknowledge cycle would return now. */
  vector(): number;
  acknowledge(): number;
}

export interface LocalApicOptions {
  /** APIC id, 0..254; also the CPU's logical number. */
  id: number;
  clock: Clock;
  bus: ApicBus;
  /** Frequency of the timer's input clock, Hz; default 1e9. */
  busHz?: number;
  /** Frequency of the time-stamp counter, Hz; default 1e9. */
  tscHz?: number;
}

export interface LocalApicState {
  apicBase: number;
  logicalDestination: number;
  destinationFormat: number;
  spurious: number;
  priority: ApicPriorityState;
  errorStatus: number;
  pendingErrors: number;
  icrLow: number;
  icrHigh: number;
  lvt: LocalVectorTableState;
  externalLatched: boolean;
  timer: ApicTimerState;
}

export class LocalApic implements InterruptController, Stateful<LocalApicState> {
  readonly id: number;
  readonly timer: ApicTimer;
  /** LINT0, where the 8259 pair's INTR ends on CPU 0. */
  readonly lint0: InterruptLine = { set: (level) => this.#setPin(0, level) };
  /** LINT1, the NMI pin. */
  readonly lint1: InterruptLine = { set: (level) => this.#setPin(1, level) };
  /** Asked for the vector of an ExtINT. */
  externalController: ExternalController | undefined = undefined;

  readonly #bus: ApicBus;
  readonly #priority = new ApicPriority();
  #apicBase = 0;
  /** What is asked for at each access to the page follows from it. */
  #pageAddress = 0;
  #enabled = false;
  #x2apic = false;
  #logicalDestination = 0;
  #destinationFormat = 0xffffffff;
  #spurious = 0xff;
  #errorStatus = 0;
  /** Errors since ESR was last written. */
  #pendingErrors = 0;
  #icrLow = 0;
  #icrHigh = 0;
  readonly #lvt = new LocalVectorTable((mode, vector, level) => {
    this.#deliver(mode, vector, level);
  });
  /** An ExtINT message came over the bus. */
  #externalLatched = false;
  /** An ExtINT waits to be acknowledged. */
  #external = false;

  constructor(options: LocalApicOptions) {
    const { id, clock, bus, busHz = 1e9, tscHz = 1e9 } = options;
    if (!Number.isInteger(id) || id < 0 || id > 254)
      throw new RangeError(`local APIC id ${id}: must be 0..254`);
    for (const [name, hertz] of Object.entries({ busHz, tscHz }))
      if (!(hertz > 0 && Number.isFinite(hertz)))
        throw new RangeError(`local APIC ${id}: ${name} ${hertz} must be a positive frequency`);
    this.id = id;
    this.#bus = bus;
    this.timer = new ApicTimer(clock, busHz, tscHz, () => this.#lvt.raise(apic.LVT_TIMER));
    this.powerOn();
    bus.attach(this);
  }

  /** xAPIC mode at 0xfee00000, software-disabled; id 0 is the bootstrap processor. */
  powerOn(): void {
    const bsp = this.id === 0 ? apic.APIC_BASE_BSP : 0;
    this.#setBase((apic.APIC_PAGE | apic.APIC_BASE_EN | bsp) >>> 0);
    this.reset();
  }

  /** As after INIT (SDM 11.4.7.3): id, base and mode stay, all else is as after power-on. */
  reset(): void {
    this.#priority.reset();
    this.#resetDestinations();
    this.#spurious = 0xff;
    this.#errorStatus = 0;
    this.#pendingErrors = 0;
    this.#icrLow = 0;
    this.#icrHigh = 0;
    this.#lvt.reset();
    this.#externalLatched = false;
    this.timer.reset();
    this.#changed();
  }

  /**
   * Quiet, as a hypervisor hands it to a CPU it starts: software-disabled, every LVT entry masked,
   * task priority 0, nothing requested or in service. Level-triggered interrupts in service are
   * ended at their IOAPIC; ids, destinations, counts and errors stay.
   */
  clear(): void {
    for (const register of apic.LVT_REGISTERS) this.writeRegister(register, apic.LVT_MASKED);
    // disabled first: a level that is still asserted must wait at its IOAPIC
    this.writeRegister(apic.SVR, 0xff);
    this.#priority.irr.words.fill(0);
    while (this.#priority.isr.highest() >= 0) this.writeRegister(apic.EOI, 0);
    this.#externalLatched = false;
    this.writeRegister(apic.TPR, 0);
  }

  /** As a PC's firmware leaves the bootstrap processor's: the 8259 pair reaches the CPU through LINT0. */
  virtualWire(): void {
    this.writeRegister(apic.SVR, apic.SVR_ENABLE | 0xff);
    this.writeRegister(apic.LVT_LINT0, apic.EXTINT << 8);
    this.writeRegister(apic.LVT_LINT1, apic.NMI << 8);
  }

  /** IA32_APIC_BASE. Writing goes through `writeApicMsr`, which checks it. */
  get apicBase(): number {
    return this.#apicBase;
  }

  /** Modes change only as SDM figure 11-27 allows; a disabled APIC forgets its state. */
  set apicBase(value: number) {
    const old = this.#apicBase;
    this.#setBase(value);
    if ((value & apic.APIC_BASE_EN) === 0 && (old & apic.APIC_BASE_EN) !== 0) this.reset();
    else if (((value ^ old) & apic.APIC_BASE_EXTD) !== 0) {
      this.#icrHigh = 0;
      this.#resetDestinations();
    }
    this.#changed();
  }

  /** Guest-physical address of the register page, a multiple of 4096. */
  get pageAddress(): number {
    return this.#pageAddress;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  get x2apic(): boolean {
    return this.#x2apic;
  }

  /** Enabled, by hardware and by software: takes fixed interrupts. */
  get acceptsFixed(): boolean {
    return this.enabled && (this.#spurious & apic.SVR_ENABLE) !== 0;
  }

  get arbitrationPriority(): number {
    return this.#priority.arbitrationPriority;
  }

  /** Whether a destination, not a broadcast, names this APIC (SDM 11.6.2, 11.12.10). */
  matches(destination: number, logical: boolean): boolean {
    if (!logical) return destination === this.id;
    const own = this.#logicalDestination;
    if (this.x2apic) return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
    const id = own >>> 24;
    if (this.#destinationFormat >>> 28 === 0xf) return (destination & id) !== 0;
    const cluster = destination >>> 4;
    return (cluster === 0xf || cluster === id >>> 4) && (destination & id & 0xf) !== 0;
  }

  /** A message from the bus. @returns whether it was accepted */
  receive(command: number): boolean {
    if (!this.enabled) return false;
    return this.#deliver(
      (command >> 8) & 7,
      command & 0xff,
      (command & apic.LEVEL_TRIGGERED) !== 0,
    );
  }

  /** A source of the local vector table fires: timer, thermal sensor, counter overflow, CMCI, error. */
  raise(lvtRegister: number): void {
    this.#lvt.raise(lvtRegister);
  }

  // --- InterruptController ---

  pending(): number {
    if (this.#external) return this.externalController?.vector() ?? -1;
    return this.#priority.deliverable;
  }

  acknowledge(): number {
    if (this.#external && this.externalController !== undefined) {
      this.#externalLatched = false;
      const vector = this.externalController.acknowledge();
      this.#updateExternal();
      return vector;
    }
    const vector = this.#priority.acknowledge();
    return vector < 0 ? this.#spurious & 0xff : vector;
  }

  get taskPriority(): number {
    return this.#priority.taskPriority >> 4;
  }

  set taskPriority(value: number) {
    this.#priority.taskPriority = (value & 0xf) << 4;
    this.#changed();
  }

  // --- registers ---

  /** Any register by number, 32 bits. One that is not there reads 0 and is an illegal-register error. */
  readRegister(register: number): number {
    if (register >= apic.ISR && register < apic.ISR + 8)
      return this.#priority.isr.words[register - apic.ISR];
    if (register >= apic.TMR && register < apic.TMR + 8)
      return this.#priority.tmr.words[register - apic.TMR];
    if (register >= apic.IRR && register < apic.IRR + 8)
      return this.#priority.irr.words[register - apic.IRR];
    if (LocalVectorTable.has(register)) return this.#lvt.read(register);
    switch (register) {
      case apic.ID:
        return this.x2apic ? this.id : (this.id << 24) >>> 0;
      case apic.VERSION:
        return apic.VERSION_VALUE;
      case apic.TPR:
        return this.#priority.taskPriority;
      case apic.APR:
        return this.#priority.arbitrationPriority;
      case apic.PPR:
        return this.#priority.processorPriority;
      case apic.EOI:
      case apic.RRD:
        return 0;
      case apic.LDR:
        return this.#logicalDestination;
      case apic.DFR:
        return this.#destinationFormat;
      case apic.SVR:
        return this.#spurious;
      case apic.ESR:
        return this.#errorStatus;
      case apic.ICR_LOW:
        return this.#icrLow;
      case apic.ICR_HIGH:
        return this.#icrHigh;
      case apic.INITIAL_COUNT:
        return this.timer.initialCount;
      case apic.CURRENT_COUNT:
        return this.timer.currentCount;
      case apic.DIVIDE_CONFIGURATION:
        return this.timer.divideConfiguration;
      default:
        this.#error(apic.ESR_ILLEGAL_REGISTER);
        return 0;
    }
  }

  /** Any register by number. Reserved bits and read-only registers keep their value. */
  writeRegister(register: number, value: number): void {
    if (LocalVectorTable.has(register)) {
      this.#writeLvt(register, value);
      return;
    }
    switch (register) {
      case apic.ID:
      case apic.VERSION:
      case apic.APR:
      case apic.PPR:
      case apic.RRD:
      case apic.CURRENT_COUNT:
        return;
      case apic.TPR:
        this.#priority.taskPriority = value;
        break;
      case apic.EOI:
        this.#endOfInterrupt();
        break;
      case apic.LDR:
        if (!this.x2apic) this.#logicalDestination = (value & 0xff000000) >>> 0;
        return;
      case apic.DFR:
        if (!this.x2apic) this.#destinationFormat = (value | 0x0fffffff) >>> 0;
        return;
      case apic.SVR:
        this.#spurious = value & apic.SVR_WRITABLE;
        if ((value & apic.SVR_ENABLE) === 0)
          for (const lvt of apic.LVT_REGISTERS) this.#writeLvt(lvt, this.#lvt.read(lvt));
        break;
      case apic.ESR:
        this.#errorStatus = this.#pendingErrors;
        this.#pendingErrors = 0;
        return;
      case apic.ICR_LOW:
        this.writeIcr(value, this.#icrHigh);
        return;
      case apic.ICR_HIGH:
        this.#icrHigh = (this.x2apic ? value : value & 0xff000000) >>> 0;
        return;
      case apic.INITIAL_COUNT:
        this.timer.initialCount = value;
        return;
      case apic.DIVIDE_CONFIGURATION:
        this.timer.divideConfiguration = value;
        return;
      case apic.SELF_IPI:
        this.writeIcr((value & 0xff) | (apic.SHORTHAND_SELF << 18), 0);
        return;
      default:
        this.#error(apic.ESR_ILLEGAL_REGISTER);
        return;
    }
    this.#changed();
  }

  /**
   * Send an interprocessor interrupt (SDM 11.6.1). `hi` is the destination: bits 31:24 in xAPIC
   * mode, all 32 in x2APIC mode. Combinations that table 11-3 calls invalid send nothing.
   */
  writeIcr(lo: number, hi: number): void {
    this.#icrLow = (lo & ~apic.LVT_DELIVERY_STATUS) >>> 0;
    this.#icrHigh = hi >>> 0;
    const mode = (lo >> 8) & 7;
    const shorthand = (lo >>> 18) & 3;
    // INIT level de-assert only ever synchronised arbitration ids
    if (mode === apic.INIT && (lo & apic.LEVEL_TRIGGERED) !== 0 && (lo & apic.LEVEL_ASSERT) === 0)
      return;
    const fixed = mode === apic.FIXED || mode === apic.LOWEST_PRIORITY;
    if (fixed && (lo & 0xff) < 16) {
      this.#error(apic.ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    // interprocessor interrupts are edge-triggered whatever bit 15 says
    const command = lo & (0x7ff | apic.LOGICAL);
    if (shorthand === apic.SHORTHAND_SELF) {
      if (mode === apic.FIXED) this.receive(command);
    } else if (shorthand === apic.SHORTHAND_ALL) {
      if (mode === apic.FIXED) this.#bus.broadcast(command);
    } else if (shorthand === apic.SHORTHAND_OTHERS) this.#bus.broadcast(command, this);
    else if (this.x2apic) this.#bus.sendWide(hi >>> 0, command);
    else this.#bus.send(hi >>> 24, command);
  }

  save(): LocalApicState {
    return {
      apicBase: this.#apicBase,
      logicalDestination: this.#logicalDestination,
      destinationFormat: this.#destinationFormat,
      spurious: this.#spurious,
      priority: this.#priority.save(),
      errorStatus: this.#errorStatus,
      pendingErrors: this.#pendingErrors,
      icrLow: this.#icrLow,
      icrHigh: this.#icrHigh,
      lvt: this.#lvt.save(),
      externalLatched: this.#externalLatched,
      timer: this.timer.save(),
    };
  }

  load(state: LocalApicState): void {
    this.#setBase(state.apicBase);
    this.#logicalDestination = state.logicalDestination;
    this.#destinationFormat = state.destinationFormat;
    this.#spurious = state.spurious;
    this.#priority.load(state.priority);
    this.#errorStatus = state.errorStatus;
    this.#pendingErrors = state.pendingErrors;
    this.#icrLow = state.icrLow;
    this.#icrHigh = state.icrHigh;
    this.#lvt.load(state.lvt);
    this.#externalLatched = state.externalLatched;
    this.timer.load(state.timer);
    this.#updateExternal();
  }

  #setBase(value: number): void {
    this.#apicBase = value;
    this.#pageAddress = value - (value % 4096);
    this.#enabled = (value & apic.APIC_BASE_EN) !== 0;
    this.#x2apic = (value & apic.APIC_BASE_EXTD) !== 0;
  }

  #resetDestinations(): void {
    this.#destinationFormat = 0xffffffff;
    this.#logicalDestination = this.x2apic ? ((this.id & ~0xf) << 12) | (1 << (this.id & 0xf)) : 0;
  }

  #writeLvt(register: number, value: number): void {
    this.#lvt.write(register, value, (this.#spurious & apic.SVR_ENABLE) === 0);
    if (register === apic.LVT_TIMER) this.timer.configure(this.#lvt.read(register));
    this.#changed();
  }

  #setPin(pin: Pin, level: boolean): void {
    if (this.#lvt.pin(pin) === level) return;
    this.#lvt.setPin(pin, level, this.enabled);
    // with the APIC off the pins are INTR and NMI themselves
    if (!this.enabled && pin === 1 && level) this.#bus.signals.nmi(this.id);
    this.#changed();
  }

  #endOfInterrupt(): void {
    const vector = this.#priority.endOfInterrupt();
    if (vector < 0 || !this.#priority.tmr.has(vector)) return;
    this.#lvt.endOfInterrupt(vector);
    if ((this.#spurious & apic.SVR_SUPPRESS_EOI_BROADCAST) === 0) this.#bus.endOfInterrupt(vector);
  }

  #deliver(mode: number, vector: number, level: boolean): boolean {
    const { signals } = this.#bus;
    switch (mode) {
      case apic.FIXED:
      case apic.LOWEST_PRIORITY:
        if ((this.#spurious & apic.SVR_ENABLE) === 0) return false;
        if (vector < 16) {
          this.#error(apic.ESR_RECEIVE_ILLEGAL_VECTOR);
          return false;
        }
        this.#priority.accept(vector, level);
        this.#changed();
        return true;
      case apic.NMI:
        signals.nmi(this.id);
        return true;
      case apic.INIT:
        signals.init(this.id);
        return true;
      case apic.STARTUP:
        signals.sipi(this.id, vector);
        return true;
      case apic.EXTINT:
        this.#externalLatched = true;
        this.#changed();
        return true;
      default:
        return false;
    }
  }

  /** Each kind of error interrupts once until ESR is written. */
  #error(bit: number): void {
    if ((this.#pendingErrors & bit) !== 0) return;
    this.#pendingErrors |= bit;
    this.#lvt.raise(apic.LVT_ERROR);
  }

  #updateExternal(): void {
    const asserted = this.enabled ? this.#lvt.external : this.#lvt.pin(0);
    this.#external = this.externalController !== undefined && (this.#externalLatched || asserted);
  }

  /** After anything that may leave the CPU with an interrupt to take. */
  #changed(): void {
    this.#updateExternal();
    if (this.#external || this.#priority.deliverable >= 0) this.#bus.signals.wake(this.id);
  }
}

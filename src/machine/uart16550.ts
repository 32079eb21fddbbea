/**
 * National PC16550D UART (datasheet SNLS378).
 *
 * Transmission takes no time: a byte is in the sink when the write to THR returns. At 115,200 baud
 * a guest would spend 87,000 instructions polling for every character, and neither guests nor
 * people gain anything from that. Reception is paced by the guest: what the host sends waits in an
 * unbounded queue and enters the FIFO as the guest makes room, so nothing is ever overrun.
 */

import type { Clock, Timer } from "./clock.ts";
import type { ByteSink, InterruptLine, PortDevice, PortWidth, Stateful } from "./device.ts";

/** Registers, by offset from the base port. */
const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_THR_EMPTY = 0x02;
const IIR_DATA_AVAILABLE = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_CHARACTER_TIMEOUT = 0x0c;
const IIR_FIFOS_ENABLED = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;

const LCR_DLAB = 0x80;
const LCR_PARITY = 0x08;
const LCR_STOP = 0x04;
const LCR_BREAK = 0x40;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_BI = 0x10;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const LSR_ERROR_IN_FIFO = 0x80;
/** Cleared by reading LSR. */
const LSR_ERRORS = 0x1e;

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];
/** Input clock 1.8432 MHz, 16 clocks a bit and divisor step. */
const BIT_NS = (16 * 1e9) / 1_843_200;

export interface Uart16550State {
  divisor: number;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  lsrErrors: number;
  msr: number;
  modemInputs: number;
  scr: number;
  fifo: number[];
  queue: number[];
  thrEmptyInterrupt: boolean;
  timeoutInterrupt: boolean;
  timeoutAt: number;
}

export class Uart16550 implements PortDevice, Stateful<Uart16550State> {
  readonly #clock: Clock;
  readonly #irq: InterruptLine;
  readonly #transmit: ByteSink;
  readonly #timeout: Timer;
  #divisor = 1;
  #ier = 0;
  #fcr = 0;
  #lcr = 0x03;
  #mcr = 0;
  /** OE, PE, FE, BI since LSR was last read. */
  #lsrErrors = 0;
  #msr = MSR_CTS | MSR_DSR | MSR_DCD;
  /** Levels at the modem inputs, in MSR's bits 7:4. */
  #modemInputs = MSR_CTS | MSR_DSR | MSR_DCD;
  #scr = 0;
  /** Received bytes, each with its LSR error bits shifted left by 8. */
  #fifo: number[] = [];
  /** Sent by the host, not yet in the FIFO. */
  #queue: number[] = [];
  #thrEmptyInterrupt = false;
  #timeoutInterrupt = false;

  /** As firmware leaves it: 115,200 baud, 8 bits, no parity. @param transmit gets every byte sent */
  constructor(clock: Clock, irq: InterruptLine, transmit: ByteSink) {
    this.#clock = clock;
    this.#irq = irq;
    this.#transmit = transmit;
    this.#timeout = clock.timer(() => {
      this.#timeoutInterrupt = this.#fifo.length > 0;
      this.#drive();
    });
  }

  /** The other end of the line sends a byte, 0..255. */
  receive(byte: number): void {
    this.#queue.push(byte & 0xff);
    this.#fill();
    this.#drive();
  }

  /** The other end holds the line in break. */
  receiveBreak(): void {
    this.#queue.push(LSR_BI << 8);
    this.#fill();
    this.#drive();
  }

  /** Bytes the guest has not read yet. */
  get unread(): number {
    return this.#fifo.length + this.#queue.length;
  }

  /** Levels at CTS, DSR, RI and DCD, as bits 4..7 of MSR. All but RI are asserted at first. */
  setModemInputs(inputs: number): void {
    this.#modemInputs = inputs & 0xf0;
    this.#updateModemStatus();
    this.#drive();
  }

  portRead(port: number, _width: PortWidth): number {
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (port & 7) {
      case RBR_THR_DLL:
        return dlab ? this.#divisor & 0xff : this.#readByte();
      case IER_DLM:
        return dlab ? this.#divisor >> 8 : this.#ier;
      case IIR_FCR:
        return this.#identify();
      case LCR:
        return this.#lcr;
      case MCR:
        return this.#mcr;
      case LSR:
        return this.#readLineStatus();
      case MSR: {
        const status = this.#msr;
        this.#msr &= 0xf0;
        this.#drive();
        return status;
      }
      default:
        return this.#scr;
    }
  }

  portWrite(port: number, _width: PortWidth, value: number): void {
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (port & 7) {
      case RBR_THR_DLL:
        if (dlab) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#send(value);
        break;
      case IER_DLM:
        if (dlab) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else {
          // THR is always empty: enabling its interrupt raises it
          if ((value & ~this.#ier & IER_ETBEI) !== 0) this.#thrEmptyInterrupt = true;
          this.#ier = value & 0x0f;
        }
        break;
      case IIR_FCR:
        this.#controlFifos(value);
        break;
      case LCR:
        if ((value & ~this.#lcr & LCR_BREAK) !== 0 && (this.#mcr & MCR_LOOP) !== 0)
          this.#loopBack(LSR_BI << 8);
        this.#lcr = value;
        break;
      case MCR:
        this.#mcr = value & 0x1f;
        this.#updateModemStatus();
        this.#fill();
        break;
      case LSR:
      case MSR:
        break; // meant for factory testing only
      default:
        this.#scr = value;
    }
    this.#drive();
  }

  save(): Uart16550State {
    return {
      divisor: this.#divisor,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      lsrErrors: this.#lsrErrors,
      msr: this.#msr,
      modemInputs: this.#modemInputs,
      scr: this.#scr,
      fifo: [...this.#fifo],
      queue: [...this.#queue],
      thrEmptyInterrupt: this.#thrEmptyInterrupt,
      timeoutInterrupt: this.#timeoutInterrupt,
      timeoutAt: this.#timeout.deadline,
    };
  }

  load(state: Uart16550State): void {
    this.#divisor = state.divisor;
    this.#ier = state.ier;
    this.#fcr = state.fcr;
    this.#lcr = state.lcr;
    this.#mcr = state.mcr;
    this.#lsrErrors = state.lsrErrors;
    this.#msr = state.msr;
    this.#modemInputs = state.modemInputs;
    this.#scr = state.scr;
    this.#fifo = [...state.fifo];
    this.#queue = [...state.queue];
    this.#thrEmptyInterrupt = state.thrEmptyInterrupt;
    this.#timeoutInterrupt = state.timeoutInterrupt;
    this.#timeout.arm(state.timeoutAt);
    this.#drive();
  }

  get #fifosEnabled(): boolean {
    return (this.#fcr & FCR_ENABLE) !== 0;
  }

  get #capacity(): number {
    return this.#fifosEnabled ? FIFO_BYTES : 1;
  }

  get #dataAvailable(): boolean {
    const trigger = this.#fifosEnabled ? TRIGGER_LEVELS[this.#fcr >> 6] : 1;
    return this.#fifo.length >= trigger;
  }

  #send(value: number): void {
    if ((this.#mcr & MCR_LOOP) !== 0) this.#loopBack(value);
    else this.#transmit(value);
    // THR was full for no time at all: the interrupt request falls and rises
    this.#thrEmptyInterrupt = false;
    this.#drive();
    this.#thrEmptyInterrupt = true;
  }

  #loopBack(entry: number): void {
    if (this.#fifo.length < this.#capacity) this.#enter(entry);
    else {
      // without FIFOs the new byte replaces the unread one, with them it is lost
      if (!this.#fifosEnabled) this.#fifo[0] = entry;
      this.#lsrErrors |= LSR_OE;
    }
  }

  /** Move bytes from the host into the FIFO. In loopback the line is disconnected. */
  #fill(): void {
    if ((this.#mcr & MCR_LOOP) !== 0) return;
    while (this.#queue.length > 0 && this.#fifo.length < this.#capacity)
      this.#enter(this.#queue.shift() as number);
  }

  #enter(entry: number): void {
    this.#fifo.push(entry);
    if (this.#fifo.length === 1) this.#lsrErrors |= entry >> 8;
    this.#restartTimeout();
  }

  #readByte(): number {
    const entry = this.#fifo.shift();
    if (entry === undefined) return 0;
    // a byte's errors show in LSR when it comes to the top
    if (this.#fifo.length > 0) this.#lsrErrors |= this.#fifo[0] >> 8;
    this.#fill();
    this.#restartTimeout();
    this.#drive();
    return entry & 0xff;
  }

  /** Four character times without a byte coming or going, and some left: an interrupt. */
  #restartTimeout(): void {
    this.#timeoutInterrupt = false;
    if (!this.#fifosEnabled || this.#fifo.length === 0) {
      this.#timeout.disarm();
      return;
    }
    const bits =
      1 +
      5 +
      (this.#lcr & 3) +
      ((this.#lcr & LCR_PARITY) !== 0 ? 1 : 0) +
      ((this.#lcr & LCR_STOP) !== 0 ? 2 : 1);
    this.#timeout.arm(this.#clock.now + 4 * bits * Math.max(1, this.#divisor) * BIT_NS);
  }

  #controlFifos(value: number): void {
    const toggled = ((value ^ this.#fcr) & FCR_ENABLE) !== 0;
    if (toggled || (value & FCR_CLEAR_RECEIVER) !== 0) {
      this.#fifo = [];
      this.#restartTimeout();
    }
    // the other bits are taken only together with the enable bit
    this.#fcr = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0;
    this.#fill();
  }

  #readLineStatus(): number {
    const errorBehindTop = this.#fifosEnabled && this.#fifo.some((entry) => entry > 0xff);
    const status =
      LSR_THRE |
      LSR_TEMT |
      this.#lsrErrors |
      (this.#fifo.length > 0 ? LSR_DR : 0) |
      (errorBehindTop ? LSR_ERROR_IN_FIFO : 0);
    this.#lsrErrors = 0;
    this.#drive();
    return status;
  }

  /** Highest pending interrupt; reading it takes back the one of the empty THR. */
  #identify(): number {
    const interrupt = this.#pendingInterrupt();
    if (interrupt === IIR_THR_EMPTY) {
      this.#thrEmptyInterrupt = false;
      this.#drive();
    }
    return interrupt | (this.#fifosEnabled ? IIR_FIFOS_ENABLED : 0);
  }

  #pendingInterrupt(): number {
    if ((this.#ier & IER_ELSI) !== 0 && (this.#lsrErrors & LSR_ERRORS) !== 0)
      return IIR_LINE_STATUS;
    if ((this.#ier & IER_ERBFI) !== 0) {
      if (this.#dataAvailable) return IIR_DATA_AVAILABLE;
      if (this.#timeoutInterrupt) return IIR_CHARACTER_TIMEOUT;
    }
    if ((this.#ier & IER_ETBEI) !== 0 && this.#thrEmptyInterrupt) return IIR_THR_EMPTY;
    if ((this.#ier & IER_EDSSI) !== 0 && (this.#msr & 0x0f) !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  /** In loopback the modem outputs are the modem inputs. */
  #updateModemStatus(): void {
    let lines = this.#modemInputs;
    if ((this.#mcr & MCR_LOOP) !== 0)
      lines =
        ((this.#mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
        ((this.#mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
        ((this.#mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
        ((this.#mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0);
    const old = this.#msr;
    const changed = (old ^ lines) & 0xf0;
    // bits 0, 1 and 3: CTS, DSR, DCD changed; bit 2: RI fell
    const trailingRing = (old & ~lines & MSR_RI) >> 4;
    const delta = ((changed >> 4) & 0x0b) | trailingRing;
    this.#msr = lines | (old & 0x0f) | delta;
  }

  /** A PC gates the interrupt with OUT2, which loopback holds inactive. */
  #drive(): void {
    const gated = (this.#mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    this.#irq.set(gated && this.#pendingInterrupt() !== IIR_NONE);
  }
}

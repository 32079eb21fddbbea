/** Intel 8259A programmable interrupt controller (datasheet 231468). */

import type { InterruptLine, Stateful } from "./device.ts";

/** ICW1. */
const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1_LTIM = 0x08;
const ICW1 = 0x10;
/** ICW4. */
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
/** OCW3. */
const OCW3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

export interface I8259State {
  irr: number;
  isr: number;
  imr: number;
  lines: number;
  edgeLevelControl: number;
  vectorBase: number;
  /** Next initialisation word expected: 2, 3, 4, or 0 when operating. */
  nextWord: number;
  icw1: number;
  icw4: number;
  lowestPriority: number;
  rotateOnAutoEoi: boolean;
  readIsr: boolean;
  poll: boolean;
  specialMask: boolean;
}

/** IR inputs are `pins`; INT is told to `output` at every change. */
export class I8259 implements Stateful<I8259State> {
  readonly pins: readonly InterruptLine[];
  readonly #output: InterruptLine;
  /** Input on which a slave is cascaded, or -1. */
  readonly #slaveInput: number;
  /** Bits of the ELCR that can be set. */
  readonly #elcrMask: number;
  #irr = 0;
  #isr = 0;
  #imr = 0;
  #lines = 0;
  #edgeLevelControl = 0;
  #vectorBase = 0;
  #nextWord = 0;
  #icw1 = 0;
  #icw4 = 0;
  /** The input with the lowest priority; the one above it, cyclically, has the highest. */
  #lowestPriority = 7;
  #rotateOnAutoEoi = false;
  #readIsr = false;
  #poll = false;
  #specialMask = false;

  constructor(output: InterruptLine, slaveInput: number, elcrMask: number) {
    this.#output = output;
    this.#slaveInput = slaveInput;
    this.#elcrMask = elcrMask;
    this.pins = Array.from({ length: 8 }, (_, n) => ({
      set: (level: boolean) => this.#setPin(n, level),
    }));
  }

  /** A1/A0 = 0. */
  readCommandPort(): number {
    if (this.#poll) return this.#pollWord();
    return this.#readIsr ? this.#isr : this.#irr;
  }

  /** A0 = 1. */
  readDataPort(): number {
    return this.#poll ? this.#pollWord() : this.#imr;
  }

  writeCommandPort(value: number): void {
    if ((value & ICW1) !== 0) this.#initialise(value);
    else if ((value & OCW3) !== 0) {
      if ((value & OCW3_POLL) !== 0) this.#poll = true;
      else if ((value & OCW3_RR) !== 0) this.#readIsr = (value & OCW3_RIS) !== 0;
      if ((value & OCW3_ESMM) !== 0) this.#specialMask = (value & OCW3_SMM) !== 0;
    } else this.#endOrRotate(value >> 5, value & 7);
    this.#drive();
  }

  writeDataPort(value: number): void {
    switch (this.#nextWord) {
      case 2:
        this.#vectorBase = value & 0xf8;
        this.#nextWord = (this.#icw1 & ICW1_SNGL) === 0 ? 3 : (this.#icw1 & ICW1_IC4) !== 0 ? 4 : 0;
        break;
      case 3:
        // the cascade is wired on the board: the word says nothing that is not known
        this.#nextWord = (this.#icw1 & ICW1_IC4) !== 0 ? 4 : 0;
        break;
      case 4:
        this.#icw4 = value;
        this.#nextWord = 0;
        break;
      default:
        this.#imr = value & 0xff;
    }
    this.#drive();
  }

  /** Bit n: input n is level-triggered. */
  get edgeLevelControl(): number {
    return this.#edgeLevelControl;
  }

  set edgeLevelControl(value: number) {
    this.#edgeLevelControl = value & this.#elcrMask;
    this.#irr |= this.#lines & this.#levelInputs;
    this.#drive();
  }

  /** Whether INT is asserted. */
  get requesting(): boolean {
    return this.#nextInput() >= 0;
  }

  /** Vector that an acknowledge cycle would return; input 7 if the request went away (spurious). */
  get vector(): number {
    const input = this.#nextInput();
    return this.#vectorBase + (input < 0 ? 7 : input);
  }

  /** The input that an acknowledge cycle would serve, or -1. */
  get nextInput(): number {
    return this.#nextInput();
  }

  /** Both INTA pulses. @returns the vector */
  acknowledge(): number {
    const vector = this.vector;
    const input = this.#nextInput();
    if (input >= 0) this.#serve(input);
    return vector;
  }

  save(): I8259State {
    return {
      irr: this.#irr,
      isr: this.#isr,
      imr: this.#imr,
      lines: this.#lines,
      edgeLevelControl: this.#edgeLevelControl,
      vectorBase: this.#vectorBase,
      nextWord: this.#nextWord,
      icw1: this.#icw1,
      icw4: this.#icw4,
      lowestPriority: this.#lowestPriority,
      rotateOnAutoEoi: this.#rotateOnAutoEoi,
      readIsr: this.#readIsr,
      poll: this.#poll,
      specialMask: this.#specialMask,
    };
  }

  load(state: I8259State): void {
    this.#irr = state.irr;
    this.#isr = state.isr;
    this.#imr = state.imr;
    this.#lines = state.lines;
    this.#edgeLevelControl = state.edgeLevelControl;
    this.#vectorBase = state.vectorBase;
    this.#nextWord = state.nextWord;
    this.#icw1 = state.icw1;
    this.#icw4 = state.icw4;
    this.#lowestPriority = state.lowestPriority;
    this.#rotateOnAutoEoi = state.rotateOnAutoEoi;
    this.#readIsr = state.readIsr;
    this.#poll = state.poll;
    this.#specialMask = state.specialMask;
  }

  /** ICW1 (datasheet, "Initialization"): everything but the levels at the inputs is forgotten. */
  #initialise(icw1: number): void {
    this.#icw1 = icw1;
    this.#icw4 = 0;
    this.#nextWord = 2;
    this.#imr = 0;
    this.#isr = 0;
    // the edge sense circuit is reset: an input must go low and high again
    this.#irr = this.#lines & this.#levelInputs;
    this.#lowestPriority = 7;
    this.#rotateOnAutoEoi = false;
    this.#readIsr = false;
    this.#poll = false;
    this.#specialMask = false;
  }

  /** OCW2: `command` is R, SL, EOI; `input` is L2..L0. */
  #endOrRotate(command: number, input: number): void {
    switch (command) {
      case 0b001: // non-specific EOI
      case 0b101: {
        // and rotate
        const highest = this.#highest(this.#isr & ~(this.#specialMask ? this.#imr : 0));
        if (highest < 0) break;
        this.#isr &= ~(1 << highest);
        if (command === 0b101) this.#lowestPriority = highest;
        break;
      }
      case 0b011: // specific EOI
        this.#isr &= ~(1 << input);
        break;
      case 0b111: // and rotate
        this.#isr &= ~(1 << input);
        this.#lowestPriority = input;
        break;
      case 0b100:
        this.#rotateOnAutoEoi = true;
        break;
      case 0b000:
        this.#rotateOnAutoEoi = false;
        break;
      case 0b110: // set priority
        this.#lowestPriority = input;
        break;
      default: // 0b010: no operation
    }
  }

  get #levelInputs(): number {
    return (this.#icw1 & ICW1_LTIM) !== 0 ? 0xff : this.#edgeLevelControl;
  }

  #isLevel(input: number): boolean {
    return (this.#levelInputs & (1 << input)) !== 0;
  }

  #setPin(input: number, level: boolean): void {
    const bit = 1 << input;
    if (level) {
      // an edge sets the request; a level sets it as long as it lasts
      if ((this.#lines & bit) === 0 || this.#isLevel(input)) this.#irr |= bit;
      this.#lines |= bit;
    } else {
      // an input must stay high until acknowledged: falling early takes the request back
      this.#irr &= ~bit;
      this.#lines &= ~bit;
    }
    this.#drive();
  }

  /** Highest-priority input of a set, or -1. */
  #highest(inputs: number): number {
    if (inputs === 0) return -1;
    for (let n = 1; n <= 8; n++) {
      const input = (this.#lowestPriority + n) & 7;
      if ((inputs & (1 << input)) !== 0) return input;
    }
    return -1;
  }

  /** Rank of an input, 0 highest. */
  #rank(input: number): number {
    return (input - this.#lowestPriority - 1) & 7;
  }

  #nextInput(): number {
    if (this.#nextWord !== 0) return -1;
    const requested = this.#highest(this.#irr & ~this.#imr);
    if (requested < 0) return -1;
    // in special mask mode a masked input in service inhibits nobody, an unmasked one only itself and below
    let inService = this.#isr;
    if (this.#specialMask) inService &= ~this.#imr;
    // special fully nested mode: a slave in service may interrupt again
    if ((this.#icw4 & ICW4_SFNM) !== 0 && requested === this.#slaveInput)
      inService &= ~(1 << this.#slaveInput);
    const blocking = this.#highest(inService);
    if (blocking >= 0 && this.#rank(blocking) <= this.#rank(requested)) return -1;
    return requested;
  }

  #serve(input: number): void {
    const bit = 1 << input;
    if (!this.#isLevel(input)) this.#irr &= ~bit;
    if ((this.#icw4 & ICW4_AEOI) === 0) this.#isr |= bit;
    else if (this.#rotateOnAutoEoi) this.#lowestPriority = input;
    // INT falls with the acknowledge, so that a master sees another edge if more is waiting
    this.#output.set(false);
    this.#drive();
  }

  /** A read after the poll command is an acknowledge: bit 7 a request was there, bits 2:0 which. */
  #pollWord(): number {
    this.#poll = false;
    const input = this.#nextInput();
    if (input < 0) return 0;
    this.#serve(input);
    return 0x80 | input;
  }

  #drive(): void {
    this.#output.set(this.requesting);
  }
}

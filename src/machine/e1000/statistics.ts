/** Statistics registers (13.7): they stop at their highest value, and reading clears them. */

const number = (offset: number): number => offset >> 2;

export const MPC = number(0x4010);
export const PRC64 = number(0x405c);
export const GPRC = number(0x4074);
export const BPRC = number(0x4078);
export const MPRC = number(0x407c);
export const GPTC = number(0x4080);
export const GORCL = number(0x4088);
export const GOTCL = number(0x4090);
export const RUC = number(0x40a4);
export const ROC = number(0x40ac);
export const TORL = number(0x40c0);
export const TOTL = number(0x40c8);
export const TPR = number(0x40d0);
export const TPT = number(0x40d4);
export const PTC64 = number(0x40d8);
export const MPTC = number(0x40f0);
export const BPTC = number(0x40f4);

/** Registers whose high half follows: reading the high half clears both. */
const WIDE: readonly number[] = [GORCL, GOTCL, TORL, TOTL];

/** Upper ends of the size classes 64, 127, 255, 511, 1023 bytes; longer ones are a class of their own. */
const SIZE_CLASSES: readonly number[] = [64, 127, 255, 511, 1023];

export class Statistics {
  readonly #registers: Uint32Array;

  constructor(registers: Uint32Array) {
    this.#registers = registers;
  }

  count(register: number): void {
    if (this.#registers[register] < 0xffffffff) this.#registers[register]++;
  }

  /** Add to a pair of registers. */
  addOctets(low: number, octets: number): void {
    const sum = this.#registers[low] + octets;
    if (sum > 0xffffffff) this.count(low + 1);
    this.#registers[low] = sum;
  }

  /** @param first register of the class of 64 bytes @param octets with the frame check sequence */
  countSize(first: number, octets: number): void {
    const size = SIZE_CLASSES.findIndex((end) => octets <= end);
    this.count(first + (size < 0 ? SIZE_CLASSES.length : size));
  }

  read(register: number): number {
    const value = this.#registers[register];
    if (WIDE.includes(register)) return value;
    this.#registers[register] = 0;
    if (WIDE.includes(register - 1)) this.#registers[register - 1] = 0;
    return value;
  }
}

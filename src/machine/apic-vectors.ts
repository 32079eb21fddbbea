/** 256 bits, one an interrupt vector: IRR, ISR or TMR of a local APIC. */
export class VectorSet {
  /** As eight registers of 32 bits, vector 0 in bit 0 of the first. */
  readonly words = new Uint32Array(8);

  has(vector: number): boolean {
    return (this.words[vector >>> 5] & (1 << (vector & 31))) !== 0;
  }

  add(vector: number): void {
    this.words[vector >>> 5] |= 1 << (vector & 31);
  }

  delete(vector: number): void {
    this.words[vector >>> 5] &= ~(1 << (vector & 31));
  }

  /** The highest vector, or -1. */
  highest(): number {
    for (let n = 7; n >= 0; n--) {
      const word = this.words[n];
      if (word !== 0) return n * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }
}

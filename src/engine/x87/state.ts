import { B, type Context, ES, EXCEPTIONS } from "./context.ts";
import type { Float80 } from "./float80.ts";
import * as layout from "./layout.ts";

const CONTROL = layout.CONTROL_WORD >> 2;
const STATUS = layout.STATUS_WORD >> 2;
const TAGS = layout.TAGS >> 2;
const TOP_SHIFT = 11;
const TOP_MASK = 7 << TOP_SHIFT;
/** Bits of the control word that can be written; bit 6 reads as one. */
export const CONTROL_WRITABLE = 0x1f3f;
export const CONTROL_FIXED = 0x0040;

/** The registers of the FPU in their window (see layout.ts), as a stack. */
export class X87State {
  /** The window, as 32-bit words. */
  readonly words: Int32Array;
  /** The same as 16-bit words. */
  readonly halves: Uint16Array;

  /** @param byteOffset multiple of 16 */
  constructor(buffer: ArrayBufferLike, byteOffset: number) {
    this.words = new Int32Array(buffer, byteOffset, layout.WINDOW_BYTES >> 2);
    this.halves = new Uint16Array(buffer, byteOffset, layout.WINDOW_BYTES >> 1);
  }

  get control(): number {
    return this.words[CONTROL];
  }

  /** Also brings ES and B up to date with the new masks. */
  set control(value: number) {
    this.words[CONTROL] = (value & CONTROL_WRITABLE) | CONTROL_FIXED;
    this.status = this.words[STATUS];
  }

  get status(): number {
    return this.words[STATUS];
  }

  /** ES and B follow from the exceptions and their masks. */
  set status(value: number) {
    const unmasked = value & ~this.words[CONTROL] & EXCEPTIONS;
    this.words[STATUS] = unmasked === 0 ? value & ~(ES | B) : value | ES | B;
  }

  /** Loads both, as FLDENV does: ES and B of the loaded status count for nothing. */
  setWords(control: number, status: number): void {
    this.words[STATUS] = status;
    this.control = control;
  }

  /** Abridged tags: bit i is set when physical register i is not empty. */
  get tags(): number {
    return this.words[TAGS];
  }

  set tags(value: number) {
    this.words[TAGS] = value & 0xff;
  }

  get top(): number {
    return (this.words[STATUS] >> TOP_SHIFT) & 7;
  }

  set top(value: number) {
    this.words[STATUS] = (this.words[STATUS] & ~TOP_MASK) | ((value & 7) << TOP_SHIFT);
  }

  isEmpty(i: number): boolean {
    return ((this.words[TAGS] >> ((this.top + i) & 7)) & 1) === 0;
  }

  free(i: number): void {
    this.words[TAGS] &= ~(1 << ((this.top + i) & 7));
  }

  /** ST(i), be it empty or not. */
  read(i: number, out: Float80): void {
    const at = ((this.top + i) & 7) << 2;
    out.lo = this.words[at];
    out.hi = this.words[at + 1];
    out.signExponent = this.words[at + 2] & 0xffff;
  }

  /** Fills ST(i), which is then not empty. */
  write(i: number, x: Float80): void {
    const physical = (this.top + i) & 7;
    const at = physical << 2;
    this.words[at] = x.lo;
    this.words[at + 1] = x.hi;
    this.words[at + 2] = x.signExponent;
    this.words[TAGS] |= 1 << physical;
  }

  /** ST(i) as its 80 bits, for people: allocates. */
  bits(i: number): bigint {
    const at = ((this.top + i) & 7) << 2;
    const [lo, hi, signExponent] = this.words.subarray(at, at + 3);
    return (BigInt(signExponent & 0xffff) << 64n) | (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  }

  /** Sets ST(i) from 80 bits; its tag stays. */
  setBits(i: number, bits: bigint): void {
    const at = ((this.top + i) & 7) << 2;
    this.words[at] = Number(BigInt.asIntN(32, bits));
    this.words[at + 1] = Number(BigInt.asIntN(32, bits >> 32n));
    this.words[at + 2] = Number((bits >> 64n) & 0xffffn);
  }

  push(x: Float80): void {
    this.top = this.top - 1;
    this.write(0, x);
  }

  pop(): void {
    this.free(0);
    this.top = this.top + 1;
  }

  /** Adds what an operation raised; of the condition codes, those in `replaced` are cleared first. */
  raise(context: Context, replaced: number): void {
    if (context.raised === 0) {
      this.words[STATUS] &= ~replaced;
      return;
    }
    this.status = (this.words[STATUS] & ~replaced) | context.raised;
  }

  /** The full tag word, two bits a physical register (Intel SDM vol. 1, 8.1.7). */
  get tagWord(): number {
    let word = 0;
    for (let physical = 7; physical >= 0; physical--) word = (word << 2) | this.#tag(physical);
    return word;
  }

  /** Of a loaded tag word only "empty" or not counts. */
  set tagWord(word: number) {
    let tags = 0;
    for (let physical = 0; physical < 8; physical++) {
      if (((word >> (2 * physical)) & 3) !== 3) tags |= 1 << physical;
    }
    this.tags = tags;
  }

  /** 0 valid, 1 zero, 2 special, 3 empty. */
  #tag(physical: number): number {
    if (((this.tags >> physical) & 1) === 0) return 3;
    const at = physical << 2;
    const hi = this.words[at + 1];
    const exponent = this.words[at + 2] & 0x7fff;
    if (exponent === 0) return (hi | this.words[at]) === 0 ? 1 : 2;
    return exponent !== 0x7fff && hi < 0 ? 0 : 2;
  }

  /** FNINIT. */
  initialize(): void {
    this.words[CONTROL] = 0x037f;
    this.words[STATUS] = 0;
    this.words[TAGS] = 0;
    this.words.fill(0, layout.LAST_OPCODE >> 2, layout.EFLAGS >> 2);
  }
}

/** Operands as decoded: what an instruction names, not yet what it does with it. */

export interface RegisterOperand {
  readonly kind: "register";
  readonly file: "general" | "xmm" | "mmx" | "segment" | "control" | "debug";
  readonly index: number;
  /** AH, CH, DH, BH: bits 15:8 of register `index`. */
  readonly high: boolean;
  readonly bytes: number;
  /** Named by the opcode itself, not by a field. */
  readonly fixed: boolean;
}

export interface MemoryOperand {
  readonly kind: "memory";
  /** 0..15, or -1 for none, or {@link RIP_BASE}. */
  readonly base: number;
  readonly index: number;
  /** The index is a vector register: an address for each of its elements (VSIB). */
  readonly vsib: boolean;
  /** log2 of the scale. */
  readonly shift: number;
  /** Of 64 bits, in signed halves. */
  readonly displacement: number;
  readonly displacementHigh: number;
  /** Segment register that applies, ES = 0 .. GS = 5. */
  readonly segment: number;
  readonly bytes: number;
}

export interface ImmediateOperand {
  readonly kind: "immediate";
  /** Sign-extended as the form says to 64 bits, in signed halves. */
  readonly value: number;
  readonly valueHigh: number;
  readonly bytes: number;
}

export interface RelativeOperand {
  readonly kind: "relative";
  /** From the end of the instruction. */
  readonly delta: number;
}

export interface FarOperand {
  readonly kind: "far";
  readonly selector: number;
  readonly offset: number;
}

export type Operand =
  | RegisterOperand
  | MemoryOperand
  | ImmediateOperand
  | RelativeOperand
  | FarOperand;

/** A number of 64 bits from its signed halves. */
export function fromHalves(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** `base` of a RIP-relative operand. */
export const RIP_BASE = 16;

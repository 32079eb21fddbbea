import type { X87 } from "./fpu.ts";
import type { ImageFormat } from "./images.ts";

/** Memory operands in the words of Intel's manual; the last two depend on the operand size. */
export type MemoryKind =
  | "m16int"
  | "m32int"
  | "m64int"
  | "m32fp"
  | "m64fp"
  | "m80fp"
  | "m80bcd"
  | "m2byte"
  | "m14/28byte"
  | "m94/108byte";

export type Operands = "" | "memory" | "ax" | "st(i)" | "st, st(i)" | "st(i), st";

/** One instruction form: what decoder, disassembler and dispatch need to know of it. */
export interface X87Row {
  /** Lower case, as Intel names it (the non-waiting form where there are two). */
  readonly mnemonic: string;
  readonly operands: Operands;
  readonly memory: MemoryKind | null;
  /** Of the memory operand: the caller fills the scratch before, or stores it after `execute`. */
  readonly access: "load" | "store" | null;
  /** i of ST(i), 0 where there is none. */
  readonly index: number;
  /** Waiting: raises #MF if an unmasked exception is pending. */
  readonly waits: boolean;
  /** Non-control: records its address, operand address and opcode. */
  readonly recordsPointers: boolean;
  /** Uses the EFLAGS word of the window. */
  readonly eflags: "reads" | "writes" | null;
  /** For {@link X87.execute}. */
  readonly run: (fpu: X87, index: number, format: ImageFormat) => number;
}

/** Bytes of a memory operand. */
export function operandBytes(kind: MemoryKind, operandSize: 16 | 32): number {
  switch (kind) {
    case "m16int":
    case "m2byte":
      return 2;
    case "m32int":
    case "m32fp":
      return 4;
    case "m64int":
    case "m64fp":
      return 8;
    case "m80fp":
    case "m80bcd":
      return 10;
    case "m14/28byte":
      return operandSize === 16 ? 14 : 28;
    case "m94/108byte":
      return operandSize === 16 ? 94 : 108;
  }
}

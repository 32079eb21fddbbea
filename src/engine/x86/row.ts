import type { Instruction } from "./instruction.ts";

/**
 * One row of the instruction table: one instruction form. Everything about
 * the form is derived from it: decoding, disassembly, semantics, test cases.
 */
export interface Row {
  /** Position in the table; stable within one build. */
  readonly id: number;
  /** Opcode map: 0 = one byte, 1 = 0f, 2 = 0f 38, 3 = 0f 3a; 4 more for the same with a VEX prefix. */
  readonly map: number;
  readonly opcode: number;
  /**
   * Mandatory prefix. "NP": none of 66, F2, F3 may stand before it.
   * undefined: 66 selects the operand size, F2 and F3 repeat or are ignored.
   */
  readonly prefix: "NP" | "66" | "F3" | "F2" | undefined;
  /** Value of ModRM.reg that selects this form ("/n"), or -1. */
  readonly reg: number;
  /** Value of ModRM.rm that selects this form, with mod = 3, or -1. */
  readonly rm: number;
  /** Whether ModRM must name memory or a register. */
  readonly form: "any" | "mem" | "reg";
  readonly hasModrm: boolean;
  readonly mnemonic: string;
  readonly operands: readonly OperandSpec[];
  readonly options: RowOptions;
  readonly semantics: Semantics;
}

/** Records what the instruction does. */
export type Semantics = (i: Instruction) => void;

export interface RowOptions {
  /** LOCK is allowed with a memory destination. */
  readonly lock?: boolean;
  /** Operand size is 64 bits by default in 64-bit mode (16 with 66). */
  readonly default64?: boolean;
  /** Operand size is always 64 bits in 64-bit mode (near branches). */
  readonly force64?: boolean;
  /** Not valid in 64-bit mode. */
  readonly no64?: boolean;
  /** Valid only in 64-bit mode. */
  readonly only64?: boolean;
  /** Not valid in real and virtual-8086 mode. */
  readonly protectedOnly?: boolean;
  /** Privileged: #GP(0) unless CPL is 0. */
  readonly cpl0?: boolean;
  /** The block ends behind it even if it falls through. */
  readonly ends?: boolean;
  /** Needs the x87 unit (CR0.EM and TS clear), MMX (also) or SSE (CR4.OSFXSR). */
  readonly unit?: "x87" | "mmx" | "sse";
  /** Another instruction with REX.B (90: NOP or XCHG R8,rAX). */
  readonly notRexB?: boolean;
  /** REP/REPNE repeat it. */
  readonly repeats?: boolean;
}

/**
 * An operand in the notation of the Intel manual's opcode maps (SDM vol. 2,
 * appendix A): addressing method letter(s) and operand type.
 */
export interface OperandSpec {
  readonly text: string;
  readonly method: OperandMethod;
  /** Bytes, or a code resolved by operand size. */
  readonly size: OperandSize;
}

/**
 * - E: ModRM r/m general register or memory; M: memory only; R: register only
 * - G: ModRM reg general register; Z: register in the opcode's low 3 bits
 * - I: immediate; S: sign-extended immediate byte; J: branch displacement; A: far pointer
 * - O: memory offset; X, Y: string source and destination; K: as Y, but in DS or what replaces it
 * - B: general register by VEX.vvvv
 * - V, W, U: XMM register by reg, XMM or memory by r/m, XMM by r/m; P, Q, N: the same for MMX
 * - seg, C, D: segment, control, debug register by reg
 * - fixed: a register named in the text; one: the constant 1
 */
export type OperandMethod =
  | "E"
  | "M"
  | "R"
  | "G"
  | "Z"
  | "I"
  | "S"
  | "J"
  | "A"
  | "O"
  | "X"
  | "B"
  | "Y"
  | "K"
  | "V"
  | "W"
  | "U"
  | "P"
  | "Q"
  | "N"
  | "seg"
  | "C"
  | "D"
  | "fixed"
  | "one";

/** v: operand size; z: operand size, at most 4; y: 4 or 8; p: far pointer (2 + z or v). */
export type OperandSize = number | "v" | "z" | "y" | "p";

/** Condition suffixes by their code. */
export const CONDITION_NAMES = [
  "O",
  "NO",
  "B",
  "AE",
  "E",
  "NE",
  "BE",
  "A",
  "S",
  "NS",
  "P",
  "NP",
  "L",
  "GE",
  "LE",
  "G",
];

const SIZES: Record<string, OperandSize> = {
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  t: 10,
  x: 16,
  dq: 16,
  ss: 4,
  sd: 8,
  ps: 16,
  pd: 16,
  pi: 8,
  v: "v",
  z: "z",
  y: "y",
  p: "p",
  "": 0,
};

const FIXED: Record<string, OperandSize> = {
  AL: 1,
  CL: 1,
  AH: 1,
  AX: 2,
  DX: 2,
  rAX: "v",
  eAX: "z",
  ES: 2,
  CS: 2,
  SS: 2,
  DS: 2,
  FS: 2,
  GS: 2,
};

function parseOperand(text: string): OperandSpec {
  const fixed = FIXED[text];
  if (fixed !== undefined) return { text, method: "fixed", size: fixed };
  if (text === "1") return { text, method: "one", size: 1 };
  if (text === "Sw") return { text, method: "seg", size: 2 };
  if (text === "Ibs") return { text, method: "S", size: 1 };
  const method = text[0] as OperandMethod;
  const size = SIZES[text.slice(1)];
  if (size === undefined || !"EMRGBZIJAOXYKVWUPQNCD".includes(method))
    throw new Error(`operand ${text}?`);
  return { text, method, size };
}

const MODRM_METHODS = "EMRGVWUPQNCD";

let rows: Row[] = [];

/**
 * Declare an instruction form.
 *
 * @param encoding e.g. `"0f af"`, `"VEX NP 0f 38 f2"` (VEX prefix, 128 bits or scalar), `"80 /4"`, `"66 0f 38 17"`, `"NP 0f ae /0 mem"`,
 *   `"0f 01 /0 rm=1"` (mod = 3), `"50+r"` (register in the opcode).
 * @param text mnemonic and operands, e.g. `"ADD Eb,Gb"`
 */
export function row(
  encoding: string,
  text: string,
  semantics: Semantics,
  options: RowOptions = {},
): void {
  const [mnemonic, operandText = ""] = text.split(" ") as [string, string?];
  const operands = operandText === "" ? [] : operandText.split(",").map(parseOperand);
  let map = 0;
  let vex = false;
  let opcode = -1;
  let prefix: Row["prefix"];
  let reg = -1;
  let rm = -1;
  let form: Row["form"] = "any";
  let plusRegister = false;
  const parts = encoding.split(" ");
  for (let k = 0; k < parts.length; k++) {
    const part = parts[k] as string;
    if (part === "NP") prefix = "NP";
    else if (part === "VEX") vex = true;
    else if (
      opcode < 0 &&
      map === 0 &&
      (part === "66" || part === "F3" || part === "F2") &&
      parts.length > k + 1
    )
      prefix = part;
    else if (opcode < 0 && part === "0f" && map === 0) map = 1;
    else if (opcode < 0 && map === 1 && part === "38" && parts.length > k + 1) map = 2;
    else if (opcode < 0 && map === 1 && part === "3a" && parts.length > k + 1) map = 3;
    else if (part.startsWith("/")) reg = Number(part.slice(1));
    else if (part.startsWith("rm=")) rm = Number(part.slice(3));
    else if (part === "mem" || part === "reg") form = part;
    else {
      plusRegister = part.endsWith("+r");
      opcode = Number.parseInt(part, 16);
    }
  }
  if (vex) map += 4;
  if (operands.some((operand) => "MX".includes(operand.method) && operand.method === "M"))
    form = "mem";
  if (rm >= 0 || operands.some((operand) => "RUN".includes(operand.method))) form = "reg";
  const hasModrm =
    reg >= 0 ||
    rm >= 0 ||
    form !== "any" ||
    operands.some((o) => o.method === "seg" || MODRM_METHODS.includes(o.method));
  for (let low = 0; low < (plusRegister ? 8 : 1); low++)
    rows.push({
      id: rows.length,
      map,
      opcode: opcode + low,
      prefix,
      reg,
      rm,
      form,
      hasModrm,
      mnemonic,
      operands,
      options,
      semantics,
    });
}

/** All rows declared since the last call; used once, by table.ts. */
export function takeRows(): readonly Row[] {
  const taken = rows;
  rows = [];
  return taken;
}

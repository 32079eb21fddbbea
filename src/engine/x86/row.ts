import type { Instruction } from "./instruction.ts";
import type { Level } from "./mode.ts";

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
  /** What its VEX prefix must say; undefined: it has none. */
  readonly vex: Vex | undefined;
  /** The first level of the x86-64 ABI that has it. Those of VEX have it from the third on. */
  readonly level: Level;
  /** Value of ModRM.reg that selects this form ("/n"), or -1. */
  readonly reg: number;
  /** Value of ModRM.rm that selects this form, with mod = 3, or -1. */
  readonly rm: number;
  /** Whether ModRM must name memory or a register. */
  readonly form: "any" | "mem" | "reg";
  /** ModRM.rm is a register whatever mod says: MOV to and from control and debug registers. */
  readonly ignoresMod: boolean;
  readonly hasModrm: boolean;
  readonly mnemonic: string;
  readonly operands: readonly OperandSpec[];
  /** That of the operands which ModRM may place in memory. */
  readonly memory: OperandSpec | undefined;
  readonly options: AllOptions;
  readonly semantics: Semantics;
}

export interface Vex {
  /**
   * "any": vectors of 128 or 256 bits, by VEX.L. "L0", "L1": VEX.L must be so.
   * "LIG": it is ignored.
   */
  readonly length: "any" | "L0" | "L1" | "LIG";
  /** What VEX.W must be; undefined: it selects the operand size, or is ignored. */
  readonly w: 0 | 1 | undefined;
  /** An operand is a register named by VEX.vvvv, which must be 1111 otherwise. */
  readonly usesVvvv: boolean;
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
  /** What it does it asks the moderator for: compiled code calls the function that does. */
  readonly exits?: boolean;
  /** Needs the x87 unit (CR0.EM and TS clear), MMX (also), SSE (CR4.OSFXSR) or AVX (CR4.OSXSAVE, XCR0). */
  readonly unit?: "x87" | "mmx" | "sse" | "avx";
  /** See {@link Row.level}; 1 by default. */
  readonly level?: Level;
  /** Another instruction with REX.B (90: NOP or XCHG R8,rAX). */
  readonly notRexB?: boolean;
  /** F2 and F3 are not allowed, though 66 selects the operand size. */
  readonly noRepeat?: boolean;
  /** REP/REPNE repeat it. */
  readonly repeats?: boolean;
}

/** Every row has them all, undefined or not: V8 is quick with objects of one shape only. */
export type AllOptions = {
  readonly [Name in keyof Required<RowOptions>]: RowOptions[Name] | undefined;
};

export function allOptions(options: RowOptions): AllOptions {
  return {
    lock: options.lock,
    default64: options.default64,
    force64: options.force64,
    no64: options.no64,
    only64: options.only64,
    protectedOnly: options.protectedOnly,
    cpl0: options.cpl0,
    ends: options.ends,
    exits: options.exits,
    unit: options.unit,
    level: options.level,
    notRexB: options.notRexB,
    noRepeat: options.noRepeat,
    repeats: options.repeats,
  };
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
 * - V, W, U: vector register by reg, one or memory by r/m, one by r/m; P, Q, N: the same for MMX
 * - H: vector register by VEX.vvvv; L: by bits 7:4 of an immediate byte
 * - vm: memory at an address for each element of a vector register (VSIB)
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
  | "H"
  | "L"
  | "vm"
  | "P"
  | "Q"
  | "N"
  | "seg"
  | "C"
  | "D"
  | "fixed"
  | "one";

/**
 * v: operand size; z: operand size, at most 4; y: 4 or 8; p: far pointer (2 + z or v);
 * x: 16 or 32 by VEX.L, or a part of that.
 */
export type OperandSize = number | "v" | "z" | "y" | "p" | "x" | "x/2" | "x/4" | "x/8";

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
  x: "x",
  "x/2": "x/2",
  "x/4": "x/4",
  "x/8": "x/8",
  dq: 16,
  qq: 32,
  ss: 4,
  sd: 8,
  ps: "x",
  pd: "x",
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
  // Elements of 4 or 8 bytes, indices of 32 or 64 bits in a register of 16 or 32 bytes.
  const gathered = /^vm(32|64)[xy]([dq])$/.exec(text);
  if (gathered !== null) return { text, method: "vm", size: gathered[2] === "d" ? 4 : 8 };
  const method = text[0] as OperandMethod;
  const size = SIZES[text.slice(1)];
  if (size === undefined || !"EMRGBZIJAOXYKVWUHLPQNCD".includes(method))
    throw new Error(`operand ${text}?`);
  return { text, method, size };
}

const MODRM_METHODS = "EMRGVWUPQNCD";

let rows: Row[] = [];

/**
 * Declare an instruction form.
 *
 * @param encoding e.g. `"0f af"`, `"80 /4"`, `"66 0f 38 17"`, `"NP 0f ae /0 mem"`,
 *   `"VEX 66 0f fc"` (VEX prefix, VEX.L selects the vectors' width), `"VEX L0 W1 F2 0f 38 f5"` (see {@link Vex}),
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
  let isVex = false;
  let length: Vex["length"] = "any";
  let w: Vex["w"];
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
    else if (part === "VEX") isVex = true;
    else if (part === "L0" || part === "L1" || part === "LIG") length = part;
    else if (part === "W0" || part === "W1") w = part === "W1" ? 1 : 0;
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
    else if (/^[0-9a-f]{2}(\+r)?$/.test(part) && opcode < 0) {
      plusRegister = part.endsWith("+r");
      opcode = Number.parseInt(part, 16);
    } else throw new Error(`encoding ${encoding}: what is "${part}"?`);
  }
  if (isVex) map += 4;
  const usesVvvv = operands.some(({ method }) => method === "H" || method === "B");
  if (operands.some(({ method }) => method === "M" || method === "vm")) form = "mem";
  if (rm >= 0 || operands.some((operand) => "RUN".includes(operand.method))) form = "reg";
  const hasModrm =
    reg >= 0 ||
    rm >= 0 ||
    form !== "any" ||
    operands.some(
      ({ method }) => method === "seg" || method === "vm" || MODRM_METHODS.includes(method),
    );
  const all = allOptions(options);
  for (let low = 0; low < (plusRegister ? 8 : 1); low++)
    rows.push({
      id: rows.length,
      map,
      opcode: opcode + low,
      prefix,
      vex: isVex ? { length, w, usesVvvv } : undefined,
      level: isVex ? 3 : (options.level ?? 1),
      reg,
      rm,
      form,
      ignoresMod: operands.some(({ method }) => method === "C" || method === "D"),
      hasModrm,
      mnemonic,
      operands,
      memory: operands.find(({ method }) => "EMWQ".includes(method) || method === "vm"),
      options: all,
      semantics,
    });
}

/** All rows declared since the last call; used once, by table.ts. */
export function takeRows(): readonly Row[] {
  const taken = rows;
  rows = [];
  return taken;
}

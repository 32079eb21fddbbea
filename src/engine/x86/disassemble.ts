/**
 * Instructions as text in Intel syntax, the way `objdump -M intel` writes them. Mnemonic and
 * operands come from the instruction's row; only what GNU calls otherwise is named here.
 */
import type { MemoryKind } from "../x87/row.ts";
import { x87Row } from "../x87/table.ts";
import { type Decoded, Decoder, OutOfBytes } from "./decoder.ts";
import { codeBits } from "./mode.ts";
import {
  fromHalves,
  type MemoryOperand,
  type Operand,
  type RegisterOperand,
  RIP_BASE,
} from "./operand.ts";
import type { OperandSpec, Row } from "./row.ts";
import { DS, SS } from "./state.ts";

export interface Disassembled {
  /** Without the bytes; `(bad)` where there is no instruction. */
  readonly text: string;
  /** In bytes, 1 to 15; 1 where there is no instruction. */
  readonly length: number;
  /** What must be switched on for it. */
  readonly unit?: Row["options"]["unit"];
}

const GENERAL = "ax cx dx bx sp bp si di".split(" ");
const BYTES_LOW = "al cl dl bl spl bpl sil dil".split(" ");
const BYTES_HIGH = "ah ch dh bh".split(" ");
const SEGMENTS = "es cs ss ds fs gs".split(" ");
const CONTROL_FILES: Partial<Record<RegisterOperand["file"], string>> = {
  ...{ xmm: "xmm", mmx: "mm", control: "cr", debug: "dr" },
};
const SIZE_WORDS: Record<number, string> = {
  ...{ 1: "BYTE PTR ", 2: "WORD PTR ", 4: "DWORD PTR ", 6: "FWORD PTR ", 8: "QWORD PTR " },
  ...{ 10: "TBYTE PTR ", 16: "XMMWORD PTR ", 32: "YMMWORD PTR " },
};
/** Bytes of x87 memory operands that are printed; environment and state images go without. */
const X87_BYTES: Partial<Record<MemoryKind, number>> = {
  ...{ m16int: 2, m2byte: 2, m32int: 4, m32fp: 4, m64int: 8, m64fp: 8, m80fp: 10, m80bcd: 10 },
};

/** GNU's word for a row's mnemonic, if it is another one. */
const RENAMED: Record<string, string> = { JMPF: "jmp", CALLF: "call" };
/** Bytes of memory operands as GNU names them where the row has another size; 0: it names none. */
const MEMORY_BYTES: Record<string, number> = {
  ...{ INVLPG: 1, CLFLUSH: 1, CLFLUSHOPT: 1, CLWB: 1, PREFETCHW: 1, LDDQU: 0, VLDDQU: 0 },
};

/** By operand size of 16, 32, 64 bits, where each has a name of its own. */
const BY_OPERAND_SIZE: Record<string, readonly [string, string, string]> = {
  CBW: ["cbw", "cwde", "cdqe"],
  CWD: ["cwd", "cdq", "cqo"],
  CMPXCHG8B: ["cmpxchg8b", "cmpxchg8b", "cmpxchg16b"],
  MOVD: ["movd", "movd", "movq"],
  PEXTRD: ["pextrd", "pextrd", "pextrq"],
  PINSRD: ["pinsrd", "pinsrd", "pinsrq"],
  VMOVD: ["vmovd", "vmovd", "vmovq"],
  VPEXTRD: ["vpextrd", "vpextrd", "vpextrq"],
  VPINSRD: ["vpinsrd", "vpinsrd", "vpinsrq"],
  FXSAVE: ["fxsave", "fxsave", "fxsave64"],
  FXRSTOR: ["fxrstor", "fxrstor", "fxrstor64"],
  XSAVE: ["xsave", "xsave", "xsave64"],
  XRSTOR: ["xrstor", "xrstor", "xrstor64"],
  XSAVEOPT: ["xsaveopt", "xsaveopt", "xsaveopt64"],
};

/** Instructions on the stack and branches get a suffix if their size is not the mode's own. */
const SUFFIXED_IF_UNUSUAL = new Set(
  "PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE CALL JMP RET RETF IRET".split(" "),
);
/** These always get one, in 64-bit mode or outside it. */
const SUFFIXED_IN_64 = new Set(["SYSRET", "SYSEXIT"]);
const SUFFIXED_OUTSIDE_64 = new Set(["SGDT", "SIDT", "LGDT", "LIDT"]);
/** Selectors in registers are shown at operand size. */
const SELECTOR_SOURCES = new Set(["MOV", "LAR", "LSL"]);
/** String instructions by where the accumulator is written. */
const ACCUMULATOR: Record<string, "first" | "last"> = {
  STOS: "last",
  LODS: "first",
  SCAS: "first",
};

/** SSE comparisons by their immediate. */
const PREDICATES = "eq lt le unord neq nlt nle ord".split(" ");
/** Those of AVX beyond, from 8 on. */
const VEX_PREDICATES = [
  ...["eq_uq", "nge", "ngt", "false", "neq_oq", "ge", "gt", "true"],
  ...["eq_os", "lt_oq", "le_oq", "unord_s", "neq_us", "nlt_uq", "nle_uq", "ord_s"],
  ...["eq_us", "nge_uq", "ngt_uq", "false_os", "neq_os", "ge_oq", "gt_oq", "true_us"],
];
/** PCLMULQDQ by bits 0 and 4 of its immediate. */
const CARRYLESS: Record<number, string> = {
  ...{ 0: "pclmullqlqdq", 1: "pclmulhqlqdq", 16: "pclmullqhqdq", 17: "pclmulhqhqdq" },
};
const hex = (value: bigint): string => `0x${value.toString(16)}`;

function generalName(index: number, bytes: number, high = false): string {
  if (bytes === 1) {
    if (high) return BYTES_HIGH[index] as string;
    return index < 8 ? (BYTES_LOW[index] as string) : `r${index}b`;
  }
  if (index >= 8) return `r${index}${bytes === 2 ? "w" : bytes === 4 ? "d" : ""}`;
  return `${bytes === 2 ? "" : bytes === 4 ? "e" : "r"}${GENERAL[index]}`;
}

function registerName({ file, index, bytes, high }: RegisterOperand): string {
  if (file === "general") return generalName(index, bytes, high);
  if (file === "segment") return SEGMENTS[index] as string;
  if (file === "xmm" && bytes === 32) return `ymm${index}`;
  return `${CONTROL_FILES[file]}${index}`;
}

function isX87({ map, options }: Row): boolean {
  return map === 0 && options.unit === "x87";
}

/** `[rsi+rcx*4+0x8]`, with the segment in front if it is not the usual one. */
function address(operand: MemoryOperand, spec: OperandSpec, decoded: Decoded): string {
  const { index, shift, segment, displacement, displacementHigh } = operand;
  const { addressBits } = decoded;
  // The row's string source is [rSI]; XLAT's table is [rBX].
  const base = decoded.row.mnemonic === "XLAT" ? 3 : operand.base;
  const registers: string[] = [];
  if (base >= 0 && base < RIP_BASE) registers.push(generalName(base, addressBits / 8));
  if (operand.vsib) registers.push(`${spec.text[4]}mm${index}*${1 << shift}`);
  else if (index >= 0)
    registers.push(
      generalName(index, addressBits / 8) + (addressBits === 16 ? "" : `*${1 << shift}`),
    );
  if (registers.length === 0 && base !== RIP_BASE)
    return `${SEGMENTS[segment]}:${hex(BigInt.asUintN(addressBits, fromHalves(displacement, displacementHigh)))}`;
  const usual = base === 4 || base === 5 ? SS : DS;
  const isNamed = "XY".includes(spec.method) || segment !== usual;
  const prefix = isNamed ? `${SEGMENTS[segment]}:` : "";
  if (base === RIP_BASE) {
    const fromEnd = BigInt.asUintN(
      64,
      fromHalves(displacement, displacementHigh) - BigInt(decoded.length),
    );
    return `${prefix}[${addressBits === 64 ? "rip" : "eip"}+${hex(fromEnd)}]`;
  }
  if (displacement > 0) registers.push(hex(BigInt(displacement)));
  const below = displacement < 0 ? `-${hex(BigInt(-displacement))}` : "";
  return `${prefix}[${registers.join("+")}${below}]`;
}

/** `DWORD PTR `, or nothing where GNU names no size. */
function sizeWord({ bytes }: MemoryOperand, spec: OperandSpec, decoded: Decoded): string {
  const { row, operandBits } = decoded;
  if (isX87(row)) {
    const kind = x87Row(row.opcode, row.reg << 3)?.memory;
    return SIZE_WORDS[(kind && X87_BYTES[kind]) ?? 0] ?? "";
  }
  if (spec.method === "O") return "";
  if (row.mnemonic === "CMPXCHG8B") return operandBits === 64 ? "OWORD PTR " : "QWORD PTR ";
  // A pair of bounds.
  if (row.mnemonic === "BOUND") return SIZE_WORDS[operandBits / 4] ?? "";
  return SIZE_WORDS[MEMORY_BYTES[row.mnemonic] ?? bytes] ?? "";
}

function immediate(
  value: bigint,
  bytes: number,
  spec: OperandSpec,
  { operandBits }: Decoded,
): string {
  // What is sign-extended is shown as wide as it becomes.
  const bits = spec.method === "S" || spec.size === "z" ? operandBits : bytes * 8;
  return hex(BigInt.asUintN(bits, value));
}

function operandText(operand: Operand, spec: OperandSpec, decoded: Decoded, rip: bigint): string {
  const { operandBits } = decoded;
  switch (operand.kind) {
    case "register":
      if (
        operand.file === "general" &&
        spec.text === "Ew" &&
        SELECTOR_SOURCES.has(decoded.row.mnemonic)
      )
        return generalName(operand.index, operandBits / 8);
      return registerName(operand);
    case "memory":
      return sizeWord(operand, spec, decoded) + address(operand, spec, decoded);
    case "immediate":
      return spec.method === "one"
        ? "1"
        : immediate(fromHalves(operand.value, operand.valueHigh), operand.bytes, spec, decoded);
    case "relative":
      return hex(BigInt.asUintN(operandBits, rip + BigInt(decoded.length + operand.delta)));
    case "far":
      return `0x${operand.selector.toString(16)}:0x${operand.offset.toString(16)}`;
  }
}

/** w, d, q of an instruction whose operands do not tell its size, where GNU writes it. */
function sizeSuffix({ row, operandBits, operands, mode }: Decoded): string {
  const { mnemonic, options } = row;
  const code = codeBits(mode);
  const suffix = operandBits === 16 ? "w" : operandBits === 32 ? "d" : "q";
  if (SUFFIXED_IN_64.has(mnemonic)) return code === 64 ? suffix : "";
  if (SUFFIXED_OUTSIDE_64.has(mnemonic)) return code === 64 ? "" : suffix;
  const tells = operands.some(
    (operand) =>
      operand.kind === "memory" || (operand.kind === "register" && operand.file === "general"),
  );
  if (!SUFFIXED_IF_UNUSUAL.has(mnemonic) || tells) return "";
  const usual = code === 64 && !options.default64 && !options.force64 ? 32 : code;
  return operandBits === usual ? "" : suffix;
}

function mnemonicOf(decoded: Decoded): string {
  const { row, operandBits, addressBits, operands } = decoded;
  const { mnemonic } = row;
  const bySize = BY_OPERAND_SIZE[mnemonic];
  if (bySize !== undefined) return bySize[operandBits === 16 ? 0 : operandBits === 32 ? 1 : 2];
  if (mnemonic === "JCXZ")
    return addressBits === 16 ? "jcxz" : addressBits === 32 ? "jecxz" : "jrcxz";
  const isWide =
    (addressBits === 64 && row.operands.some(({ method }) => method === "O")) ||
    operands.some((operand) => operand.kind === "immediate" && operand.bytes === 8);
  if (isWide) return "movabs";
  return (RENAMED[mnemonic] ?? mnemonic.toLowerCase()) + sizeSuffix(decoded);
}

function prefixes({ row, lock, repeat }: Decoded): string {
  const locks = lock ? "lock " : "";
  if (repeat === "none") return locks;
  if (repeat === "repne") return `${locks}repnz `;
  return `${locks}${row.mnemonic === "CMPS" || row.mnemonic === "SCAS" ? "repz" : "rep"} `;
}

/** Operands as they are written, some of which the opcode implies. */
function operandTexts(decoded: Decoded, rip: bigint): string[] {
  const { row, operands } = decoded;
  const texts = operands.map((operand, k) =>
    operandText(operand, row.operands[k] as OperandSpec, decoded, rip),
  );
  if (row.operands[0]?.method === "K") texts.shift();
  const accumulator = ACCUMULATOR[row.mnemonic];
  const [first] = operands;
  if (accumulator !== undefined && first?.kind === "memory") {
    const name = generalName(0, first.bytes);
    if (accumulator === "first") texts.unshift(name);
    else texts.push(name);
  }
  if (/^(P?BLENDV|SHA256RNDS2)/.test(row.mnemonic)) texts.push("xmm0");
  const form = isX87(row) && x87Row(row.opcode, 0xc0 | (row.reg << 3) | row.rm);
  if (form && row.form !== "mem" && form.operands !== "")
    texts.push(form.operands.replaceAll(" ", "").replace("(i)", `(${form.index})`));
  return texts;
}

/** A mnemonic in which GNU puts the value of the last operand. */
function pseudoMnemonic({ row, operands }: Decoded): string | undefined {
  const last = operands[operands.length - 1];
  if (last?.kind !== "immediate") return undefined;
  const number = last.value;
  const v = row.vex === undefined ? "" : "v";
  if (row.mnemonic.endsWith("PCLMULQDQ")) return CARRYLESS[number] && `${v}${CARRYLESS[number]}`;
  const comparison = /^V?CMP([PS][SD])$/.exec(row.mnemonic);
  const predicate = PREDICATES[number] ?? (v && VEX_PREDICATES[number - 8]);
  if (comparison === null || !predicate) return undefined;
  return `${v}cmp${predicate}${comparison[1]?.toLowerCase()}`;
}

/**
 * @param rip of the instruction, for branch targets and RIP-relative operands
 */
export function disassemble(decoded: Decoded, rip: bigint): string {
  const { row, operands, operandBits, mode } = decoded;
  // GNU's name for a NOP with a size of its own.
  if (row.mnemonic === "NOP" && !row.hasModrm && operandBits !== 64)
    if (operandBits !== Math.min(codeBits(mode), 32))
      return `xchg   ${generalName(0, operandBits / 8)},${generalName(0, operandBits / 8)}`;
  const texts = operandTexts(decoded, rip);
  const pseudo = pseudoMnemonic(decoded);
  if (pseudo !== undefined) texts.pop();
  const name = prefixes(decoded) + (pseudo ?? mnemonicOf(decoded));
  const text = texts.length === 0 ? name : `${name.padEnd(6)} ${texts.join(",")}`;
  for (const operand of operands)
    if (operand.kind === "memory" && operand.base === RIP_BASE) {
      const { displacement, displacementHigh } = operand;
      const target = BigInt.asUintN(
        decoded.addressBits,
        rip + fromHalves(displacement, displacementHigh),
      );
      return `${text}        # ${hex(target)}`;
    }
  return text;
}

const decoder = new Decoder();

/**
 * The instruction at the start of `bytes`.
 * @param mode as in mode.ts
 * @returns undefined if the instruction needs more bytes than there are
 */
export function disassembleBytes(
  bytes: Uint8Array,
  mode: number,
  rip: bigint,
): Disassembled | undefined {
  try {
    const decoded = decoder.decode(bytes, mode);
    if (decoded.row === undefined) return { text: "(bad)", length: 1 };
    const { unit } = decoded.row.options;
    return { text: disassemble(decoded, rip), length: decoded.length, ...(unit && { unit }) };
  } catch (problem) {
    if (problem instanceof OutOfBytes) return undefined;
    throw problem;
  }
}

import type { Decoded } from "../x86/decoder.ts";
import { FS } from "../x86/state.ts";
import { AT, type Case, NO_EXCEPTION } from "./case.ts";
import type { Difference } from "./compare.ts";
import { operandAddress } from "./effective.ts";
import { DATA, MEMORY, MEMORY_BYTES } from "./layout.ts";

/** A case with both answers. */
export interface Context {
  readonly before: Case;
  readonly engine: Case;
  readonly silicon: Case;
  readonly decoded: Decoded;
}

/**
 * A difference that the manuals allow: what they leave to the implementation, or say differently
 * for AMD's and Intel's processors. The engine follows Intel's manual (SDM); the host may be AMD's
 * (APM).
 */
interface Allowance {
  readonly name: string;
  /** With the manual's section. */
  readonly why: string;
  readonly mnemonics: RegExp;
  /** All of them if left out. */
  readonly fields?: RegExp;
  readonly when?: (context: Context, difference: Difference) => boolean;
}

/** x87 instructions whose last place is left to the implementation. */
export const TRANSCENDENTAL = /^(F2XM1|FYL2X|FYL2XP1|FPATAN|FPTAN|FSIN|FCOS|FSINCOS)$/;
const C1 = 0x200;
const RSP = 4;
const RBP = 5;

/** Offset of a difference in memory from the operand's start. */
function operandOffset({ decoded, before }: Context, { at }: Difference): number {
  const address = operandAddress(decoded, before);
  return address === undefined ? -1 : DATA + MEMORY + at - AT.memory - address;
}

/** Whether an image lies in the case's memory, where it is compared byte by byte. */
function isInMemory({ decoded, before }: Context): boolean {
  const offset = (operandAddress(decoded, before) ?? 0) - DATA - MEMORY;
  return offset >= 0 && offset + 512 <= MEMORY_BYTES;
}

/** Neighbours among the 80-bit numbers, of one sign. */
function withinOneUlp({ engine, silicon }: Context, { at }: Difference): boolean {
  const ordinal = (record: Case): bigint => {
    const exponent = BigInt(record.view.getUint16(at + 8, true) & 0x7fff);
    const significand = record.view.getBigUint64(at, true);
    return exponent === 0n ? significand : (exponent << 63n) + BigInt.asUintN(63, significand);
  };
  const sign = (record: Case): number => record.view.getUint16(at + 8, true) & 0x8000;
  const distance = ordinal(engine) - ordinal(silicon);
  return sign(engine) === sign(silicon) && distance >= -1n && distance <= 1n;
}

/** The greatest relative error of RCPPS and the like, twice: each may err to another side. */
const APPROXIMATION = 2 * 1.5 * 2 ** -12;

function approximatelyEqual({ engine, silicon }: Context, { at, bytes }: Difference): boolean {
  for (let k = at; k < at + bytes; k += 4) {
    if (engine.view.getUint32(k, true) === silicon.view.getUint32(k, true)) continue;
    const a = engine.view.getFloat32(k, true);
    const b = silicon.view.getFloat32(k, true);
    // Results at the edge of the denormal ones may be flushed to zero or not.
    if (!(Math.abs(a - b) <= Math.max(APPROXIMATION * Math.abs(b), 1.001 * 2 ** -126)))
      return false;
  }
  return true;
}

/** An access to the last bytes below 4 GiB goes on at 0, or faults (SDM vol. 3, 5.3). */
function wraps({ before, decoded }: Context): boolean {
  if (before.bits === 64) return false;
  const addresses = [operandAddress(decoded, before) ?? before.low(RBP), before.low(RSP)];
  return addresses.some((address) => address >= 0xffff_ff00 || address < 0x100);
}

/** A difference in a gather's mask where it says that nothing is to be loaded. */
function isMaskedOut(
  { before, engine, silicon, decoded }: Context,
  { at, bytes }: Difference,
): boolean {
  const memory = decoded.operands.find(({ kind }) => kind === "memory");
  const wide = memory?.kind === "memory" && memory.bytes === 8;
  for (let k = at; k < at + bytes; k += 4) {
    const [a, b] = [engine, silicon].map(({ view }) => view.getUint32(k, true));
    if (a !== b && before.view.getInt32(wide ? k | 4 : k, true) < 0) return false;
  }
  return true;
}

const ALLOWANCES: readonly Allowance[] = [
  {
    name: "transcendental ulp",
    why: "x87 transcendental instructions may err by one unit in the last place (SDM vol. 1, 8.3.10)",
    mnemonics: TRANSCENDENTAL,
    fields: /^st/,
    when: withinOneUlp,
  },
  {
    name: "transcendental C1",
    why: "C1 says whether the last place was rounded up (SDM vol. 1, 8.1.3.3)",
    mnemonics: TRANSCENDENTAL,
    fields: /^fsw$/,
    when: ({ engine, silicon }) => ((engine.fsw ^ silicon.fsw) & ~C1) === 0,
  },
  {
    name: "approximation",
    why: "a relative error of up to 1.5 * 2^-12 (SDM vol. 2, RCPPS, RSQRTPS)",
    mnemonics: /^V?(RCP|RSQRT)[PS]S$/,
    fields: /^[xy]mm/,
    when: approximatelyEqual,
  },
  {
    name: "x87 pointers in images",
    why: "as they stand in registers; CS and DS are not kept (SDM vol. 1, 8.1.8)",
    mnemonics: /^(FNSTENV|FNSAVE|FXSAVE|XSAVE|XSAVEOPT|XSAVEC)$/,
    fields: /^(memory|outside)$/,
    when: (context, difference) => {
      if (difference.field === "outside") return !isInMemory(context);
      const offset = operandOffset(context, difference);
      const { mnemonic } = context.decoded.row;
      if (mnemonic.includes("X")) return offset >= 5 && offset < 24;
      return context.decoded.operandBits === 16
        ? offset >= 5 && offset < 14
        : offset >= 11 && offset < 28;
    },
  },
  {
    name: "x87 pointers of 48 bits",
    why: "AMD's CPUs keep FIP and FDP as canonical addresses whatever an image says",
    mnemonics: /^(FXRSTOR|XRSTOR)$/,
    fields: /^f[id]p$/,
    when: ({ engine, silicon }, { at }) =>
      engine.view.getUint32(at, true) === silicon.view.getUint32(at, true) &&
      engine.view.getUint16(at + 4, true) === silicon.view.getUint16(at + 4, true),
  },
  {
    name: "MXCSR_MASK",
    why: "AMD has MXCSR.MM, bit 17 (APM vol. 2, 11.5.9)",
    mnemonics: /^(FXSAVE|XSAVE|XSAVEOPT|XSAVEC)$/,
    fields: /^memory$/,
    when: (context, difference) => {
      const offset = operandOffset(context, difference);
      return offset >= 27 && offset < 32;
    },
  },
  {
    name: "PUSH of a segment register",
    why: "with 32 bits the upper half of the slot is zero or left as it is (SDM vol. 2, PUSH)",
    mnemonics: /^PUSH$/,
    when: ({ decoded, before, silicon }, { field }) => {
      const [operand] = decoded.operands;
      const faults = silicon.u64[AT.rip >> 3] === before.u64[AT.rip >> 3];
      return (
        (faults || field === "memory" || field === "outside") &&
        operand?.kind === "register" &&
        operand.file === "segment" &&
        decoded.operandBits === 32
      );
    },
  },
  {
    name: "order of accesses",
    why: "which of an instruction's accesses faults first is not defined",
    mnemonics:
      /^(RETF|IRET|CALLF|FXSAVE|FXRSTOR|XSAVE|XSAVEOPT|XSAVEC|XRSTOR|FNSAVE|FRSTOR|FLDENV|FNSTENV|V?MASKMOV.*|ENTER|PUSHA|POPA)$/,
    fields: /^cr2$/,
  },
  {
    name: "order of a far return's checks",
    why: "whether the outer stack is read before the code segment's selector is checked is not defined",
    mnemonics: /^(RETF|IRET)$/,
    fields: /^vector$/,
    when: ({ engine, silicon }) =>
      engine.vector === 13 && (silicon.vector === 14 || silicon.vector === 12),
  },
  {
    name: "order of a string instruction's operands",
    why: "which of two operands that fault comes first is not defined",
    mnemonics: /^(CMPS|MOVS)$/,
    fields: /^(vector|error|cr2)$/,
    when: ({ engine, silicon }) =>
      [engine.vector, silicon.vector].every((vector) => [12, 13, 14, 17].includes(vector)),
  },
  {
    name: "flags of a string comparison that faults",
    why: "they are as before by Intel (SDM vol. 2, REP); AMD leaves those of the last element",
    mnemonics: /^(CMPS|SCAS)$/,
    fields: /^flags$/,
    when: ({ engine }) => engine.vector !== NO_EXCEPTION,
  },
  {
    name: "MOVSXD of 16 bits",
    why: "it reads 16 bits by Intel (SDM vol. 2, MOVSXD), 32 by AMD, and may fault so",
    mnemonics: /^MOVSXD$/,
    when: ({ decoded, engine, silicon }) =>
      decoded.operandBits === 16 &&
      (engine.vector !== silicon.vector ||
        engine.u64[AT.rip >> 3] !== silicon.u64[AT.rip >> 3] ||
        engine.vector !== NO_EXCEPTION),
  },
  {
    name: "POP of a segment register",
    why: "whether the whole stack slot is read, and so whether it faults, is not defined",
    mnemonics: /^POP$/,
    when: ({ decoded, engine, silicon }) => {
      const [operand] = decoded.operands;
      const at = AT.rip >> 3;
      return (
        (engine.vector !== silicon.vector || engine.u64[at] !== silicon.u64[at]) &&
        operand?.kind === "register" &&
        operand.file === "segment"
      );
    },
  },
  {
    name: "pushes before a fault",
    why: "what several pushes wrote before one faulted may be seen below the stack pointer",
    mnemonics: /^(ENTER|PUSHA|CALLF)$/,
    fields: /^(memory|outside|error|cr2)$/,
    when: ({ engine }) => engine.vector !== NO_EXCEPTION,
  },
  {
    name: "segment or alignment",
    why: "which of a segment's limit and an operand's alignment is looked at first is not defined (SDM vol. 3, table 6-2)",
    mnemonics: /./,
    fields: /^vector$/,
    when: ({ engine, silicon, decoded }) =>
      [engine.vector, silicon.vector].every((vector) => [12, 13, 17].includes(vector)) &&
      (silicon.vector === 17 ||
        engine.vector === 17 ||
        decoded.row.options.unit === "sse" ||
        decoded.row.options.unit === "avx" ||
        /^F?X(SAVE|RSTOR)/.test(decoded.row.mnemonic)),
  },
  {
    name: "faults and MMX",
    why: "whether an instruction that faults has switched the x87 state to MMX is not defined",
    mnemonics: /./,
    fields: /^(fsw|tags|st.|fop|fip|fdp)$/,
    when: ({ engine, decoded }) =>
      engine.vector !== NO_EXCEPTION &&
      (decoded.row.options.unit === "mmx" ||
        /^CVTT?P[SD]2PI$|^CVTPI2P[SD]$/.test(decoded.row.mnemonic)),
  },
  {
    name: "wrapping at 4 GiB",
    why: "implementation-specific (SDM vol. 3, 5.3)",
    mnemonics: /./,
    fields: /^(vector|cr2|error)$/,
    when: wraps,
  },
  {
    name: "masked moves",
    why: "what is masked out may raise exceptions or not (SDM vol. 2, MASKMOVDQU; #AC: VMASKMOV)",
    mnemonics: /MASKMOV/,
    when: ({ before, engine, silicon }) => {
      const at = AT.rip >> 3;
      const completed = [engine, silicon].map(({ u64 }) => u64[at] !== before.u64[at]);
      return completed[0] !== completed[1] || silicon.vector === 17 || engine.vector === 17;
    },
  },
  {
    name: "gathers that fault",
    why: "mask elements that are clear may have become zero (SDM vol. 2, VPGATHERDD)",
    mnemonics: /GATHER/,
    fields: /^[xy]mm/,
    when: (context, difference) =>
      context.engine.vector !== NO_EXCEPTION && isMaskedOut(context, difference),
  },
  {
    name: "misaligned gathers",
    why: "whether an element's page or its alignment comes first is not defined",
    mnemonics: /GATHER/,
    fields: /^vector$/,
    when: ({ engine, silicon }) => engine.vector === 17 && silicon.vector === 14,
  },
  {
    name: "misaligned states",
    why: "#GP or, with alignment checks on, #AC (SDM vol. 2, FXSAVE, XSAVE)",
    mnemonics: /^(FXSAVE|FXRSTOR|XSAVE.*|XRSTOR)$/,
    fields: /^vector$/,
    when: ({ engine, silicon }) => engine.vector === 13 && silicon.vector === 17,
  },
  {
    name: "SHA and alignment",
    why: "#GP if misaligned by Intel (SDM vol. 2, exception type 4); AMD does not check",
    mnemonics: /^SHA/,
    fields: /^vector$/,
    when: ({ engine }) => engine.vector === 13,
  },
  {
    name: "permission to do nothing",
    why: "a count of 0 repeats nothing (SDM vol. 2, REP); AMD's CPUs look at IOPL before the count",
    mnemonics: /^(INS|OUTS)$/,
    when: ({ before, engine, silicon }) =>
      engine.u64[AT.rip >> 3] !== before.u64[AT.rip >> 3] && silicon.vector === 13,
  },
  {
    name: "accesses in parts",
    why: "whether bounds, far pointers, images and 80 bits are accessed at once or part by part is not defined",
    mnemonics: /^(BOUND|L[DEFGS]S|CALLF|JMPF|FN?SAVE|FRSTOR|FLDENV|FN?STENV|FB?LD|FB?STP)$/,
    fields: /^(vector|error|cr2)$/,
    when: ({ engine, silicon }) =>
      [engine.vector, silicon.vector].every((vector) => [12, 13, 14, 17].includes(vector)),
  },
  {
    name: "POPA that faults",
    why: "AMD's CPUs have loaded the registers before the fault by then; Intel's manual says nothing",
    mnemonics: /^POPA$/,
    fields: /^r/,
    when: ({ engine }) => engine.vector !== NO_EXCEPTION,
  },
  {
    name: "non-canonical offsets in FS and GS",
    why: "Intel's CPUs look at the sum with the base (SDM vol. 3, 3.3.7.1), AMD's at the offset too",
    mnemonics: /./,
    fields: /^vector$/,
    when: ({ silicon, decoded }) =>
      silicon.vector === 13 &&
      decoded.operands.some((operand) => operand.kind === "memory" && operand.segment >= FS),
  },
  {
    name: "far calls out of 64-bit mode",
    why: "Intel's CPUs push to RSP (SDM vol. 2, CALL), AMD's to ESP when the target is not 64-bit code",
    mnemonics: /^CALLF$/,
    fields: /^vector$/,
    when: ({ before, engine }) => before.bits === 64 && engine.vector === 12,
  },
  {
    name: "LAR's limit bits",
    why: "bits 19:16 are undefined (SDM vol. 2, LAR)",
    mnemonics: /^LAR$/,
    fields: /^r/,
    when: ({ engine, silicon }, { at }) =>
      ((engine.view.getUint32(at, true) ^ silicon.view.getUint32(at, true)) & ~0xf_0000) === 0,
  },
  {
    name: "the host's own values",
    why: "time, identity, randomness, and components that the engine has not",
    mnemonics: /^(RDTSC|RDTSCP|CPUID|XGETBV|RDPID|RDRAND|RDSEED|RDPMC)$/,
    fields: /^(r|flags)/,
  },
  {
    name: "INT1",
    why: "hypervisors on AMD's processors report the instruction's own address",
    mnemonics: /^INT1$/,
    fields: /^rip$/,
  },
  {
    name: "SYSRET outside 64-bit mode",
    why: "#UD by Intel (SDM vol. 2, SYSRET); AMD has it, and raises #GP for the privilege (APM vol. 3)",
    mnemonics: /^(SYSRET|SYSEXIT)$/,
    fields: /^vector$/,
    when: ({ before }) => before.bits !== 64,
  },
];

/** The name of what allows a difference; undefined: nothing does. */
export function allowanceFor(difference: Difference, context: Context): string | undefined {
  const { mnemonic } = context.decoded.row;
  return ALLOWANCES.find(
    ({ mnemonics, fields, when }) =>
      mnemonics.test(mnemonic) &&
      (fields === undefined || fields.test(difference.field)) &&
      (when === undefined || when(context, difference)),
  )?.name;
}

/** Name and reason of every allowance. */
export const ALLOWANCE_REASONS: readonly { name: string; why: string }[] = ALLOWANCES;

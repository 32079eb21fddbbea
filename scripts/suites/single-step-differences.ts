/** What an x86-64 CPU in real mode is documented to do otherwise than an 8086 or 80286 did. */
import type { MooTest } from "./moo.ts";

/** What a suite's metadata say about an opcode. */
export interface Opcode {
  readonly cpu: string;
  /** Hexadecimal, with ModRM.reg behind a point for groups: "F6.5". */
  readonly name: string;
  readonly status: string;
  /** Flags that are defined after it. */
  readonly flags: number;
}

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3];
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e];
const SS_PREFIX = 0x36;
const LOCK = 0xf0;
const STRING = [...[0x6c, 0x6d, 0x6e, 0x6f], ...[0xa4, 0xa5, 0xa6, 0xa7], ...range(0xaa, 0xaf)];
/** With operands on the stack, beside FF /2, /3 and /6. */
const STACK = [
  ...[0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, ...range(0x50, 0x5f), 0x60, 0x61, 0x68, 0x6a, 0x8f],
  ...[0x9a, 0x9c, 0x9d, 0xc2, 0xc3, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xe8],
];
const MiB = 0x100000;
const AF = 0x10;
const OF = 0x800;
const SF_ZF_PF = 0xc4;

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

interface Parts {
  readonly prefixes: readonly number[];
  readonly code: number;
  /** Fields of ModRM, whether the opcode has one or not. */
  readonly mod: number;
  readonly reg: number;
  readonly rm: number;
  /** Behind the ModRM byte. */
  readonly rest: Uint8Array;
}

function parts(bytes: Uint8Array): Parts {
  let at = 0;
  while (PREFIXES.includes(bytes[at])) at++;
  const modrm = bytes[at + 1] ?? 0;
  return {
    prefixes: [...bytes.subarray(0, at)],
    code: bytes[at],
    mod: modrm >> 6,
    reg: (modrm >> 3) & 7,
    rm: modrm & 7,
    rest: bytes.subarray(at + 2),
  };
}

/** Offset of the operand in memory that ModRM names. */
function offset({ mod, rm, rest }: Parts, { before }: MooTest): number {
  const { bx = 0, bp = 0, si = 0, di = 0 } = before.registers;
  const word = (rest[0] ?? 0) | ((rest[1] ?? 0) << 8);
  if (mod === 0 && rm === 6) return word;
  const base = [bx + si, bx + di, bp + si, bp + di, si, di, bp, bx][rm];
  const displacement = mod === 1 ? ((rest[0] ?? 0) << 24) >> 24 : mod === 2 ? word : 0;
  return (base + displacement) & 0xffff;
}

/** Whether an instruction can reach beyond the limit of the stack's segment. */
function usesStack({ prefixes, code, mod, reg, rm }: Parts): boolean {
  if (STACK.includes(code) || (code === 0xff && [2, 3, 6].includes(reg))) return true;
  const override = prefixes.filter((prefix) => SEGMENT_PREFIXES.includes(prefix)).at(-1);
  if (override !== undefined) return override === SS_PREFIX;
  return mod !== 3 && (rm === 2 || rm === 3 || (rm === 6 && mod !== 0));
}

/** Instructions that LOCK may stand before, if their destination is memory (SDM vol. 2, LOCK). */
function isLockable({ code, mod, reg }: Parts): boolean {
  if (mod === 3) return false;
  if (code < 0x38) return (code & 7) < 2;
  if (code >= 0x80 && code <= 0x83) return reg !== 7;
  if (code === 0x86 || code === 0x87) return true;
  if (code === 0xf6 || code === 0xf7) return reg === 2 || reg === 3;
  return (code === 0xfe || code === 0xff) && reg < 2;
}

/** Why a test says nothing about our CPU, or undefined. */
export function whyDifferent(test: MooTest, opcode: Opcode): string | undefined {
  const instruction = parts(test.bytes);
  if (opcode.status === "fpu") return "ESC without a coprocessor";
  if (instruction.prefixes.includes(LOCK) && !isLockable(instruction))
    return "LOCK before what cannot be locked: #UD since the 80386";
  return opcode.cpu === "8086"
    ? differentFrom8086(test, opcode, instruction)
    : differentFrom80286(test, opcode, instruction);
}

function differentFrom80286(
  test: MooTest,
  { name }: Opcode,
  instruction: Parts,
): string | undefined {
  const { bytes, before, after, exception } = test;
  const { prefixes, code, mod, reg } = instruction;
  // the HLT behind the instruction is one of its bytes
  if (exception !== undefined && (bytes.length - 1 > 10 || prefixes.length >= 5))
    return "more than 10 bytes: later CPUs take up to 15";
  if (exception?.vector === 13 && STRING.includes(code))
    return "a fault in a string instruction: the 80286 has moved SI and DI already";
  if (exception?.vector === 13 && name === "8F")
    return "a fault at the destination of POP: the 80286 has moved SP already";
  if (exception?.vector === 13 && usesStack(instruction))
    return "beyond the stack segment: #GP on the 80286, #SS on later CPUs";
  if ((name === "8C" || name === "8E") && reg >= 4) return "FS and GS exist since the 80386";
  const pointer = ["62", "C4", "C5", "FF.3", "FF.5"].includes(name) && mod !== 3;
  if (pointer && exception?.vector !== 13 && offset(instruction, test) > 0xfffc)
    return "a pointer that wraps at the end of its segment: #GP since the 80386";
  if (name === "F6.7" && ((after.registers.ax ?? 0) & 0xff) === 0x80)
    return "a quotient of -128, which the 80286 also gives for some that do not fit";
  if (exception !== undefined && pushedCs(test) === before.registers.ss)
    return "SS recorded in place of the CS that was pushed";
  return undefined;
}

function differentFrom8086(
  test: MooTest,
  { name, status }: Opcode,
  { prefixes, code, mod, reg, rm }: Parts,
): string | undefined {
  const { ax = 0, cx = 0, flags = 0 } = test.before.registers;
  const al = ax & 0xff;
  if (status === "alias" && ![0x82, 0xf6, 0xf7].includes(code))
    return "an opcode that the 8086 decodes as another and later CPUs do not";
  if (status === "undocumented" || ([0x8f, 0xc6, 0xc7].includes(code) && reg !== 0))
    return "an opcode or form that is not documented";
  if ((code === 0x8c && reg >= 4) || (code === 0x8e && (reg === 1 || reg >= 4)))
    return "MOV to CS, or a segment register by a number above 3";
  if (name === "54" || (name === "FF.6" && mod === 3 && rm === 4))
    return "PUSH SP: the 8086 pushes the new value";
  if (["D2", "D3"].includes(name.slice(0, 2)) && (cx & 0xff) > 31)
    return "a shift by more than 31: later CPUs take CL modulo 32";
  if (isDivideError(test))
    return "a divide error: the return address of the 8086 is behind the instruction";
  if ((code === 0xf6 || code === 0xf7) && prefixes.some((prefix) => prefix >= 0xf2))
    return "IMUL and IDIV with REP: the 8086 changes the sign";
  if ((code === 0x27 || code === 0x2f) && (flags & AF) !== 0 && al > 0x99 && al < 0xa0)
    return "DAA and DAS of 9A to 9F with AF set";
  if (code === 0x2f && (flags & AF) !== 0 && al < 6)
    return "DAS of 0 to 5 with AF set: the 8086 loses the borrow";
  const adjusts = (al & 15) > 9 || (flags & AF) !== 0;
  if (adjusts && ((code === 0x37 && al > 0xf9) || (code === 0x3f && al < 6)))
    return "AAA and AAS with a carry into AH: the 8086 loses it";
  if (wraps(test)) return "a word or an instruction that wraps at the end of its segment";
  return undefined;
}

/** Its vector leads to 0000:0400. */
function isDivideError({ before, after }: MooTest): boolean {
  const { cs, ip } = { ...before.registers, ...after.registers };
  return cs === 0 && ip === 0x400;
}

/** Whether both ends of a segment of 64 KiB are among the bytes of a test. */
function wraps({ before, after }: MooTest): boolean {
  const { cs = 0, ss = 0, ds = 0, es = 0 } = before.registers;
  const touched = (address: number) =>
    before.ram.has(address % MiB) || after.ram.has(address % MiB);
  return [cs, ss, ds, es].some(
    (segment) => touched(segment * 16) && touched(segment * 16 + 0xffff),
  );
}

/** What stands on the stack where an exception pushes CS. */
function pushedCs({ before, after }: MooTest): number | undefined {
  const { ss = 0, sp = 0 } = { ...before.registers, ...after.registers };
  const [low, high] = [2, 3].map((above) => after.ram.get(ss * 16 + ((sp + above) & 0xffff)));
  return low === undefined || high === undefined ? undefined : low | (high << 8);
}

/** The flags that can be compared, of those that the suite calls defined. */
export function definedFlags({ bytes, exception }: MooTest, { name, flags }: Opcode): number {
  // shifts by an immediate other than 1 leave OF undefined, rotations too
  if (/^C[01]/.test(name) && ((bytes.at(-2) ?? 0) & 31) !== 1) return flags & ~OF;
  // a divide error leaves the flags as they were; these CPUs have changed them by then
  if (name === "D4" && exception !== undefined) return flags & ~SF_ZF_PF;
  return flags;
}

/** Addresses of the low and high byte of FLAGS if they are pushed. */
export function pushedFlags(
  { before, after, exception }: MooTest,
  { cpu, name }: Opcode,
): number[] {
  if (exception === undefined && !["9C", "CC", "CD", "CE"].includes(name)) return [];
  const { ss = 0, sp = 0 } = { ...before.registers, ...after.registers };
  const at = name === "9C" && exception === undefined ? sp : sp + 4;
  const lines = cpu === "8086" ? MiB - 1 : 2 * MiB - 1;
  return [at, at + 1].map((address) => (ss * 16 + (address & 0xffff)) & lines);
}

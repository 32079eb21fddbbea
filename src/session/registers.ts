/** Every register of a CPU as plain data for a report, and setting one by the name a person types. */
import type { DescriptorTable, RegisterName, Registers, SegmentName } from "../engine/vcpu.ts";

/** Structured-clonable and JSON-ready: values are hexadecimal strings as wide as the register. */
export interface RegisterReport {
  readonly mode: Registers["mode"];
  readonly privilegeLevel: number;
  /** RAX ... R15, RIP. */
  readonly general: Readonly<Record<string, string>>;
  readonly flags: BitsReport;
  readonly segments: Readonly<Record<SegmentName, SegmentReport>>;
  readonly gdtr: TableReport;
  readonly idtr: TableReport;
  /** CR0, CR2, CR3, CR4, EFER, XCR0. */
  readonly control: Readonly<Record<string, BitsReport>>;
  /** DR0 ... DR3, DR6, DR7. */
  readonly debug: Readonly<Record<string, string>>;
  readonly x87: {
    /** ST(0) ... ST(7), 80 bits each. */
    readonly st: readonly string[];
    readonly fcw: string;
    readonly fsw: string;
    readonly ftw: string;
  };
  /** MM0 ... MM7: the significands of the x87 registers, 64 bits each, wherever the stack's top is. */
  readonly mm: readonly string[];
  readonly mxcsr: string;
  /** XMM0 ... XMM15, 128 bits each. */
  readonly xmm: readonly string[];
  /** YMM0 ... YMM15, 256 bits each; the lower halves are the XMM registers. */
  readonly ymm: readonly string[];
}

/** A register whose bits have names: the names of those that are set, lowest first. */
export interface BitsReport {
  readonly value: string;
  readonly set: readonly string[];
}

export interface SegmentReport {
  readonly selector: string;
  readonly base: string;
  readonly limit: string;
  readonly attributes: string;
}

export interface TableReport {
  readonly base: string;
  readonly limit: string;
}

const GENERAL = [
  ...["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"],
] as RegisterName[];
const SEGMENTS: SegmentName[] = ["cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr"];
const CONTROL: RegisterName[] = ["cr0", "cr2", "cr3", "cr4", "efer", "xcr0"];
const DEBUG: RegisterName[] = ["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"];

/** Names of single bits: Intel SDM vol. 1, 3.4.3; vol. 3, 2.5 and 2.2.1. */
const BIT_NAMES: Partial<Record<RegisterName, Readonly<Record<number, string>>>> = {
  rflags: {
    ...{ 0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF" },
    ...{ 14: "NT", 16: "RF", 17: "VM", 18: "AC", 19: "VIF", 20: "VIP", 21: "ID" },
  },
  cr0: {
    ...{ 0: "PE", 1: "MP", 2: "EM", 3: "TS", 4: "ET", 5: "NE" },
    ...{ 16: "WP", 18: "AM", 29: "NW", 30: "CD", 31: "PG" },
  },
  cr4: {
    ...{ 0: "VME", 1: "PVI", 2: "TSD", 3: "DE", 4: "PSE", 5: "PAE", 6: "MCE", 7: "PGE" },
    ...{ 8: "PCE", 9: "OSFXSR", 10: "OSXMMEXCPT", 11: "UMIP", 12: "LA57", 13: "VMXE", 14: "SMXE" },
    ...{ 16: "FSGSBASE", 17: "PCIDE", 18: "OSXSAVE", 20: "SMEP", 21: "SMAP", 22: "PKE" },
  },
  efer: { 0: "SCE", 8: "LME", 10: "LMA", 11: "NXE" },
  xcr0: { 0: "x87", 1: "SSE", 2: "AVX" },
};

const hex = (value: bigint | number, digits: number) =>
  `0x${value.toString(16).padStart(digits, "0")}`;

function bits(registers: Registers, name: RegisterName, digits: number): BitsReport {
  const value = registers.get(name);
  const set = Object.entries(BIT_NAMES[name] ?? {})
    .filter(([bit]) => (value >> BigInt(bit)) & 1n)
    .map(([, word]) => word);
  if (name === "rflags") {
    const level = (value >> 12n) & 3n;
    if (level > 0n) set.push(`IOPL=${level}`);
  }
  return { value: hex(value, digits), set };
}

const table = ({ base, limit }: DescriptorTable): TableReport => ({
  base: hex(base, 16),
  limit: hex(limit, 4),
});

export function registerReport(registers: Registers): RegisterReport {
  const values = (names: readonly RegisterName[]) =>
    Object.fromEntries(names.map((name) => [name, hex(registers.get(name), 16)]));
  const segment = (name: SegmentName): SegmentReport => {
    const { selector, base, limit, attributes } = registers.segment(name);
    return {
      selector: hex(selector, 4),
      base: hex(base, 16),
      limit: hex(limit, 8),
      attributes: hex(attributes, 5),
    };
  };
  return {
    mode: registers.mode,
    privilegeLevel: registers.privilegeLevel,
    general: values(GENERAL),
    flags: bits(registers, "rflags", 8),
    segments: Object.fromEntries(
      SEGMENTS.map((name) => [name, segment(name)]),
    ) as RegisterReport["segments"],
    gdtr: table(registers.gdtr()),
    idtr: table(registers.idtr()),
    control: Object.fromEntries(CONTROL.map((name) => [name, bits(registers, name, 16)])),
    debug: values(DEBUG),
    x87: {
      st: Array.from({ length: 8 }, (_, index) => hex(registers.st(index), 20)),
      fcw: hex(registers.fcw, 4),
      fsw: hex(registers.fsw, 4),
      ftw: hex(registers.ftw, 4),
    },
    mm: Array.from({ length: 8 }, (_, n) =>
      hex(BigInt.asUintN(64, registers.st(stackIndex(registers, n))), 16),
    ),
    mxcsr: hex(registers.mxcsr, 8),
    xmm: Array.from({ length: 16 }, (_, index) => hex(registers.xmm(index), 32)),
    ymm: Array.from({ length: 16 }, (_, index) => hex(registers.ymm(index), 64)),
  };
}

/** Which ST the physical x87 register n is: FSW bits 13:11 name the one that is ST(0). */
const stackIndex = ({ fsw }: Registers, n: number) => (n - (fsw >> 11)) & 7;

/** Part of a general register under its 8, 16 or 32-bit name. */
interface Part {
  readonly name: RegisterName;
  readonly bits: number;
  readonly shift: number;
}

const PARTS: ReadonlyMap<string, Part> = new Map([
  ...["a", "b", "c", "d"].flatMap((letter): [string, Part][] => {
    const name = `r${letter}x` as RegisterName;
    return [
      [`e${letter}x`, { name, bits: 32, shift: 0 }],
      [`${letter}x`, { name, bits: 16, shift: 0 }],
      [`${letter}h`, { name, bits: 8, shift: 8 }],
      [`${letter}l`, { name, bits: 8, shift: 0 }],
    ];
  }),
  ...["si", "di", "bp", "sp", "ip"].flatMap((suffix): [string, Part][] => {
    const name = `r${suffix}` as RegisterName;
    return [
      [`e${suffix}`, { name, bits: 32, shift: 0 }],
      [suffix, { name, bits: 16, shift: 0 }],
      ...(suffix === "ip" ? [] : [[`${suffix}l`, { name, bits: 8, shift: 0 }] as [string, Part]]),
    ];
  }),
  ...Array.from({ length: 8 }, (_, n): [string, Part][] => {
    const name = `r${n + 8}` as RegisterName;
    return [
      [`${name}d`, { name, bits: 32, shift: 0 }],
      [`${name}w`, { name, bits: 16, shift: 0 }],
      [`${name}b`, { name, bits: 8, shift: 0 }],
    ];
  }).flat(),
  ["eflags", { name: "rflags", bits: 32, shift: 0 }] as [string, Part],
  ["flags", { name: "rflags", bits: 16, shift: 0 }] as [string, Part],
]);

const WHOLE = new Set<string>([...GENERAL, ...CONTROL, ...DEBUG, "rflags"]);

/**
 * Sets a register by name: `rax`, `eax`, `al`, `r9d`, `rflags`, `cr3`, `xmm3`, `ymm3`, `st0`, `mm5`,
 * `mxcsr`, `fcw`, `fs_base`. A part leaves the rest of its register as it is. A segment register is
 * set as real mode does: base = selector * 16. Setting MMX registers turns the x87 unit to MMX use,
 * as MMX instructions do: its top is 0 and no register is empty.
 * @throws RangeError naming the register, if it does not exist or the value does not fit
 */
export function setRegister(registers: Registers, name: string, value: bigint): void {
  const fits = (width: number) => {
    if (value < 0n || value >> BigInt(width) !== 0n)
      throw new RangeError(`${name}: 0x${value.toString(16)} does not fit in ${width} bits`);
  };
  const part = PARTS.get(name);
  const vector = /^([xy])mm(\d|1[0-5])$/.exec(name);
  const stack = /^st([0-7])$/.exec(name);
  const mmx = /^mm([0-7])$/.exec(name);
  const base = /^([cdefgs]s)_base$/.exec(name)?.[1] as SegmentName | undefined;
  if (WHOLE.has(name)) {
    fits(64);
    registers.set(name as RegisterName, value);
  } else if (part !== undefined) {
    fits(part.bits);
    const mask = ((1n << BigInt(part.bits)) - 1n) << BigInt(part.shift);
    registers.set(part.name, (registers.get(part.name) & ~mask) | (value << BigInt(part.shift)));
  } else if (vector) {
    const isWhole = vector[1] === "y";
    fits(isWhole ? 256 : 128);
    if (isWhole) registers.setYmm(Number(vector[2]), value);
    else registers.setXmm(Number(vector[2]), value);
  } else if (stack) {
    fits(80);
    registers.setSt(Number(stack[1]), value);
  } else if (mmx) {
    fits(64);
    registers.fsw &= ~(7 << 11);
    registers.ftw = 0;
    registers.setSt(Number(mmx[1]), (0xffffn << 64n) | value);
  } else if (base !== undefined) {
    fits(64);
    registers.setSegment(base, { ...registers.segment(base), base: value });
  } else if (name === "mxcsr") {
    fits(32);
    registers.mxcsr = Number(value);
  } else if (name === "fcw" || name === "fsw" || name === "ftw") {
    fits(16);
    registers[name] = Number(value);
  } else if (["cs", "ss", "ds", "es", "fs", "gs"].includes(name)) {
    fits(16);
    const segment = registers.segment(name as SegmentName);
    registers.setSegment(name as SegmentName, {
      ...segment,
      selector: Number(value),
      base: value << 4n,
    });
  } else
    throw new RangeError(
      `there is no register "${name}"; general registers of any width, rip, rflags, segment ` +
        "registers, their bases (fs_base), cr0 ... cr4, efer, xcr0, dr0 ... dr7, xmm0 ... xmm15, ymm0 ... ymm15, st0 ... st7, mm0 ... mm7, mxcsr, fcw, fsw and ftw can be set",
    );
}

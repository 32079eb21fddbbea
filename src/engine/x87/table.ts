import { add, subtract } from "./add.ts";
import { arctangent } from "./arctangent.ts";
import type { BinaryOperation } from "./arithmetic.ts";
import * as constants from "./constants.ts";
import { C1, C2 } from "./context.ts";
import { divide } from "./divide.ts";
import { SIGN } from "./float80.ts";
import { extract, roundToInteger, scale } from "./integral.ts";
import { exponentialMinus1, logarithm, logarithmPlus1 } from "./logarithm.ts";
import { multiply } from "./multiply.ts";
import {
  type IntegerKind,
  type NumberKind,
  READERS,
  TRUNCATING_WRITERS,
  WRITERS,
} from "./operand.ts";
import { nearestRemainder, truncatedRemainder } from "./remainder.ts";
import { type MemoryKind, type Operands, operandBytes, type X87Row } from "./row.ts";
import { squareRoot } from "./square-root.ts";
import { cosine, sine, sineCosine, tangent } from "./trigonometric.ts";

/**
 * The form that `opcode` (0xd8..0xdf) and `modrm` encode, or undefined: #UD.
 * Rows are shared and never change.
 */
export function x87Row(opcode: number, modrm: number): X87Row | undefined {
  return rows[((opcode & 7) << 8) | modrm];
}

const rows: (X87Row | undefined)[] = new Array(8 * 256).fill(undefined);

type Run = X87Row["run"];
type Options = Partial<Pick<X87Row, "waits" | "recordsPointers" | "eflags">>;

/** Every row is made here, so that all have one shape for the JavaScript engine. */
function row(
  mnemonic: string,
  operands: Operands,
  memory: MemoryKind | null,
  access: X87Row["access"],
  index: number,
  run: Run,
  { waits = true, recordsPointers = true, eflags = null }: Options,
): X87Row {
  return { mnemonic, operands, memory, access, index, waits, recordsPointers, eflags, run };
}

function memoryForm(
  opcode: number,
  reg: number,
  mnemonic: string,
  memory: MemoryKind,
  access: "load" | "store",
  run: Run,
  options: Options = {},
): void {
  const form = row(mnemonic, "memory", memory, access, 0, run, options);
  for (let modrm = 0; modrm < 0xc0; modrm++) {
    if (((modrm >> 3) & 7) === reg) rows[((opcode & 7) << 8) | modrm] = form;
  }
}

/** Eight forms, ST(0) to ST(7), from the byte `first`. */
function registerForms(
  opcode: number,
  first: number,
  mnemonic: string,
  operands: Operands,
  run: Run,
  options: Options = {},
): void {
  for (let i = 0; i < 8; i++) {
    rows[((opcode & 7) << 8) | (first + i)] = row(mnemonic, operands, null, null, i, run, options);
  }
}

function form(
  opcode: number,
  byte: number,
  mnemonic: string,
  run: Run,
  options: Options = {},
  operands: Operands = "",
): void {
  rows[((opcode & 7) << 8) | byte] = row(mnemonic, operands, null, null, 0, run, options);
}

/** FLD, FILD, FBLD. */
function loads(opcode: number, reg: number, mnemonic: string, kind: NumberKind): void {
  const read = READERS[kind];
  const run: Run =
    kind === "m32fp" || kind === "m64fp"
      ? (fpu) => fpu.transfer.loadFloat(read)
      : (fpu) => fpu.transfer.load(read);
  memoryForm(opcode, reg, mnemonic, kind, "load", run);
}

/** FST, FIST, FBSTP and their like; popping if so named. */
function stores(
  opcode: number,
  reg: number,
  mnemonic: string,
  kind: NumberKind,
  write = WRITERS[kind],
): void {
  const bytes = operandBytes(kind, 32);
  const pops = mnemonic.endsWith("p") ? 1 : 0;
  memoryForm(opcode, reg, mnemonic, kind, "store", (fpu) => fpu.transfer.store(write, bytes, pops));
}

function truncates(opcode: number, reg: number, kind: IntegerKind): void {
  stores(opcode, reg, "fisttp", kind, TRUNCATING_WRITERS[kind]);
}

/** Control words and images: what loads them waits, what stores them does not. */
function control(
  opcode: number,
  reg: number,
  mnemonic: string,
  memory: MemoryKind,
  access: "load" | "store",
  run: Run,
): void {
  memoryForm(opcode, reg, mnemonic, memory, access, run, access === "load" ? CONTROL : NO_WAIT);
}

const CONTROL: Options = { recordsPointers: false };
const NO_WAIT: Options = { recordsPointers: false, waits: false };
const READS_FLAGS: Options = { eflags: "reads" };
const WRITES_FLAGS: Options = { eflags: "writes" };

// --- D8, DC, DA, DE: the eight arithmetic operations, in the order of modrm's reg field ------

interface Arithmetic {
  readonly name: string;
  readonly operation: BinaryOperation;
  readonly reversed: boolean;
}

function arithmetic(name: string, operation: BinaryOperation, reversed: boolean): Arithmetic {
  return { name, operation, reversed };
}

const ARITHMETIC: readonly (Arithmetic | null)[] = [
  arithmetic("add", add, false),
  arithmetic("mul", multiply, false),
  null, // com
  null, // comp
  arithmetic("sub", subtract, false),
  arithmetic("subr", subtract, true),
  arithmetic("div", divide, false),
  arithmetic("divr", divide, true),
];

/** The memory operand of each opcode's eight operations, and what its mnemonics begin with. */
const ARITHMETIC_OPERANDS = [
  [0xd8, "m32fp", "f"],
  [0xdc, "m64fp", "f"],
  [0xda, "m32int", "fi"],
  [0xde, "m16int", "fi"],
] as const;

for (const [reg, entry] of ARITHMETIC.entries()) {
  const first = 0xc0 + 8 * reg;
  if (entry === null) {
    const pops = reg - 2;
    const name = pops === 0 ? "com" : "comp";
    for (const [opcode, kind, f] of ARITHMETIC_OPERANDS) {
      const read = READERS[kind];
      const run: Run = (fpu) => fpu.comparison.withMemory(read, pops);
      memoryForm(opcode, reg, `${f}${name}`, kind, "load", run);
    }
    const run: Run = (fpu, i) => fpu.comparison.registers(i, false, pops);
    registerForms(0xd8, first, `f${name}`, "st(i)", run);
    registerForms(0xdc, first, `f${name}`, "st(i)", run); // undocumented double
    continue;
  }
  const { name, operation, reversed } = entry;
  for (const [opcode, kind, f] of ARITHMETIC_OPERANDS) {
    const read = READERS[kind];
    const run: Run = (fpu) => fpu.arithmetic.withMemory(operation, read, reversed);
    memoryForm(opcode, reg, `${f}${name}`, kind, "load", run);
  }
  registerForms(0xd8, first, `f${name}`, "st, st(i)", (fpu, i) =>
    reversed
      ? fpu.arithmetic.binary(operation, 0, i, 0, false)
      : fpu.arithmetic.binary(operation, 0, 0, i, false),
  );
  // with ST(i) as destination FSUB and FSUBR, FDIV and FDIVR change places
  const swapped = ARITHMETIC[reg & 4 ? reg ^ 1 : reg]?.name;
  for (const [opcode, pop] of [
    [0xdc, false],
    [0xde, true],
  ] as const) {
    registerForms(opcode, first, `f${swapped}${pop ? "p" : ""}`, "st(i), st", (fpu, i) =>
      reversed
        ? fpu.arithmetic.binary(operation, i, i, 0, pop)
        : fpu.arithmetic.binary(operation, i, 0, i, pop),
    );
  }
}
// undocumented double
registerForms(0xde, 0xd0, "fcomp", "st(i)", (fpu, i) => fpu.comparison.registers(i, false, 1));
form(0xde, 0xd9, "fcompp", (fpu) => fpu.comparison.registers(1, false, 2));

// --- D9 --------------------------------------------------------------------------------------

loads(0xd9, 0, "fld", "m32fp");
stores(0xd9, 2, "fst", "m32fp");
stores(0xd9, 3, "fstp", "m32fp");
control(0xd9, 4, "fldenv", "m14/28byte", "load", (fpu, _, format) =>
  fpu.control.loadEnvironment(format),
);
control(0xd9, 5, "fldcw", "m2byte", "load", (fpu) => fpu.control.loadControl());
control(0xd9, 6, "fnstenv", "m14/28byte", "store", (fpu, _, format) =>
  fpu.control.storeEnvironment(format),
);
control(0xd9, 7, "fnstcw", "m2byte", "store", (fpu) => fpu.control.storeControl());
registerForms(0xd9, 0xc0, "fld", "st(i)", (fpu, i) => fpu.transfer.loadRegister(i));
registerForms(0xd9, 0xc8, "fxch", "st(i)", (fpu, i) => fpu.transfer.exchange(i));
form(0xd9, 0xd0, "fnop", (fpu) => fpu.control.nothing());
registerForms(0xd9, 0xd8, "fstp", "st(i)", (fpu, i) => fpu.transfer.storeRegisterUnchecked(i)); // undocumented double
form(0xd9, 0xe0, "fchs", (fpu) => fpu.arithmetic.sign(0, SIGN));
form(0xd9, 0xe1, "fabs", (fpu) => fpu.arithmetic.sign(SIGN, 0));
form(0xd9, 0xe4, "ftst", (fpu) => fpu.comparison.withZero());
form(0xd9, 0xe5, "fxam", (fpu) => fpu.comparison.examine());
form(0xd9, 0xe8, "fld1", (fpu) => fpu.transfer.loadConstant(constants.ONE));
form(0xd9, 0xe9, "fldl2t", (fpu) => fpu.transfer.loadConstant(constants.LOG2_10));
form(0xd9, 0xea, "fldl2e", (fpu) => fpu.transfer.loadConstant(constants.LOG2_E));
form(0xd9, 0xeb, "fldpi", (fpu) => fpu.transfer.loadConstant(constants.PI));
form(0xd9, 0xec, "fldlg2", (fpu) => fpu.transfer.loadConstant(constants.LOG10_2));
form(0xd9, 0xed, "fldln2", (fpu) => fpu.transfer.loadConstant(constants.LN_2));
form(0xd9, 0xee, "fldz", (fpu) => fpu.transfer.loadConstant(constants.PLUS_ZERO));
form(0xd9, 0xf0, "f2xm1", (fpu) => fpu.arithmetic.unary(exponentialMinus1));
form(0xd9, 0xf1, "fyl2x", (fpu) => fpu.arithmetic.binary(logarithm, 1, 1, 0, true));
form(0xd9, 0xf2, "fptan", (fpu) => fpu.arithmetic.pushing(tangent, C1 | C2));
form(0xd9, 0xf3, "fpatan", (fpu) => fpu.arithmetic.binary(arctangent, 1, 1, 0, true));
form(0xd9, 0xf4, "fxtract", (fpu) => fpu.arithmetic.pushing(extract, C1));
form(0xd9, 0xf5, "fprem1", (fpu) => fpu.arithmetic.remainder(nearestRemainder));
form(0xd9, 0xf6, "fdecstp", (fpu) => fpu.control.rotate(-1));
form(0xd9, 0xf7, "fincstp", (fpu) => fpu.control.rotate(1));
form(0xd9, 0xf8, "fprem", (fpu) => fpu.arithmetic.remainder(truncatedRemainder));
form(0xd9, 0xf9, "fyl2xp1", (fpu) => fpu.arithmetic.binary(logarithmPlus1, 1, 1, 0, true));
form(0xd9, 0xfa, "fsqrt", (fpu) => fpu.arithmetic.unary(squareRoot));
form(0xd9, 0xfb, "fsincos", (fpu) => fpu.arithmetic.pushing(sineCosine, C1 | C2));
form(0xd9, 0xfc, "frndint", (fpu) => fpu.arithmetic.unary(roundToInteger));
form(0xd9, 0xfd, "fscale", (fpu) => fpu.arithmetic.binary(scale, 0, 0, 1, false));
form(0xd9, 0xfe, "fsin", (fpu) => fpu.arithmetic.trigonometric(sine));
form(0xd9, 0xff, "fcos", (fpu) => fpu.arithmetic.trigonometric(cosine));

// --- DA, DB ----------------------------------------------------------------------------------

const CF = 0x01;
const PF = 0x04;
const ZF = 0x40;
const MOVE_CONDITIONS = [
  ["b", CF],
  ["e", ZF],
  ["be", CF | ZF],
  ["u", PF],
] as const;
for (const [index, [name, flags]] of MOVE_CONDITIONS.entries()) {
  const first = 0xc0 + 8 * index;
  registerForms(
    0xda,
    first,
    `fcmov${name}`,
    "st, st(i)",
    (fpu, i) => fpu.transfer.moveIf(i, flags, true),
    READS_FLAGS,
  );
  registerForms(
    0xdb,
    first,
    `fcmovn${name}`,
    "st, st(i)",
    (fpu, i) => fpu.transfer.moveIf(i, flags, false),
    READS_FLAGS,
  );
}
form(0xda, 0xe9, "fucompp", (fpu) => fpu.comparison.registers(1, true, 2));
loads(0xdb, 0, "fild", "m32int");
truncates(0xdb, 1, "m32int");
stores(0xdb, 2, "fist", "m32int");
stores(0xdb, 3, "fistp", "m32int");
loads(0xdb, 5, "fld", "m80fp");
stores(0xdb, 7, "fstp", "m80fp");
// what switched interrupts and protection on the 8087 and 80287 does nothing since
form(0xdb, 0xe0, "fneni", (fpu) => fpu.control.nothing(), NO_WAIT);
form(0xdb, 0xe1, "fndisi", (fpu) => fpu.control.nothing(), NO_WAIT);
form(0xdb, 0xe2, "fnclex", (fpu) => fpu.control.clearExceptions(), NO_WAIT);
form(0xdb, 0xe3, "fninit", (fpu) => fpu.control.initialize(), NO_WAIT);
form(0xdb, 0xe4, "fnsetpm", (fpu) => fpu.control.nothing(), NO_WAIT);
registerForms(
  0xdb,
  0xe8,
  "fucomi",
  "st, st(i)",
  (fpu, i) => fpu.comparison.toFlags(i, true, false),
  WRITES_FLAGS,
);
registerForms(
  0xdb,
  0xf0,
  "fcomi",
  "st, st(i)",
  (fpu, i) => fpu.comparison.toFlags(i, false, false),
  WRITES_FLAGS,
);

// --- DD --------------------------------------------------------------------------------------

loads(0xdd, 0, "fld", "m64fp");
truncates(0xdd, 1, "m64int");
stores(0xdd, 2, "fst", "m64fp");
stores(0xdd, 3, "fstp", "m64fp");
control(0xdd, 4, "frstor", "m94/108byte", "load", (fpu, _, format) =>
  fpu.control.loadState(format),
);
control(0xdd, 6, "fnsave", "m94/108byte", "store", (fpu, _, format) =>
  fpu.control.storeState(format),
);
control(0xdd, 7, "fnstsw", "m2byte", "store", (fpu) => fpu.control.storeStatus());
registerForms(0xdd, 0xc0, "ffree", "st(i)", (fpu, i) => fpu.control.free(i, false));
registerForms(0xdd, 0xc8, "fxch", "st(i)", (fpu, i) => fpu.transfer.exchange(i)); // undocumented double
registerForms(0xdd, 0xd0, "fst", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, false));
registerForms(0xdd, 0xd8, "fstp", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, true));
registerForms(0xdd, 0xe0, "fucom", "st(i)", (fpu, i) => fpu.comparison.registers(i, true, 0));
registerForms(0xdd, 0xe8, "fucomp", "st(i)", (fpu, i) => fpu.comparison.registers(i, true, 1));

// --- DF --------------------------------------------------------------------------------------

loads(0xdf, 0, "fild", "m16int");
truncates(0xdf, 1, "m16int");
stores(0xdf, 2, "fist", "m16int");
stores(0xdf, 3, "fistp", "m16int");
loads(0xdf, 4, "fbld", "m80bcd");
loads(0xdf, 5, "fild", "m64int");
stores(0xdf, 6, "fbstp", "m80bcd");
stores(0xdf, 7, "fistp", "m64int");
registerForms(0xdf, 0xc0, "ffreep", "st(i)", (fpu, i) => fpu.control.free(i, true));
registerForms(0xdf, 0xc8, "fxch", "st(i)", (fpu, i) => fpu.transfer.exchange(i)); // undocumented double
registerForms(0xdf, 0xd0, "fstp", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, true)); // undocumented doubles
registerForms(0xdf, 0xd8, "fstp", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, true));
form(0xdf, 0xe0, "fnstsw", (fpu) => fpu.control.storeStatus(), NO_WAIT, "ax");
registerForms(
  0xdf,
  0xe8,
  "fucomip",
  "st, st(i)",
  (fpu, i) => fpu.comparison.toFlags(i, true, true),
  WRITES_FLAGS,
);
registerForms(
  0xdf,
  0xf0,
  "fcomip",
  "st, st(i)",
  (fpu, i) => fpu.comparison.toFlags(i, false, true),
  WRITES_FLAGS,
);

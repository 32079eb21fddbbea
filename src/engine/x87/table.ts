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
import * as operand from "./operand.ts";
import { nearestRemainder, truncatedRemainder } from "./remainder.ts";
import type { MemoryKind, Operands, X87Row } from "./row.ts";
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

const integer16 = operand.integerWriter(16);
const integer32 = operand.integerWriter(32);
const integer64 = operand.integerWriter(64);
const truncated16 = operand.truncatingWriter(16);
const truncated32 = operand.truncatingWriter(32);
const truncated64 = operand.truncatingWriter(64);

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

for (const [reg, entry] of ARITHMETIC.entries()) {
  const first = 0xc0 + 8 * reg;
  if (entry === null) {
    const pops = reg - 2;
    const p = pops === 0 ? "" : "p";
    memoryForm(0xd8, reg, `fcom${p}`, "m32fp", "load", (fpu) =>
      fpu.comparison.withMemory(operand.readFloat32, pops),
    );
    memoryForm(0xdc, reg, `fcom${p}`, "m64fp", "load", (fpu) =>
      fpu.comparison.withMemory(operand.readFloat64, pops),
    );
    memoryForm(0xda, reg, `ficom${p}`, "m32int", "load", (fpu) =>
      fpu.comparison.withMemory(operand.readInteger32, pops),
    );
    memoryForm(0xde, reg, `ficom${p}`, "m16int", "load", (fpu) =>
      fpu.comparison.withMemory(operand.readInteger16, pops),
    );
    registerForms(0xd8, first, `fcom${p}`, "st(i)", (fpu, i) =>
      fpu.comparison.registers(i, false, pops),
    );
    // DC D0 and DC D8: undocumented doubles
    registerForms(0xdc, first, `fcom${p}`, "st(i)", (fpu, i) =>
      fpu.comparison.registers(i, false, pops),
    );
    continue;
  }
  const { name, operation, reversed } = entry;
  const withMemory =
    (read: operand.Reader): Run =>
    (fpu) =>
      fpu.arithmetic.withMemory(operation, read, reversed);
  memoryForm(0xd8, reg, `f${name}`, "m32fp", "load", withMemory(operand.readFloat32));
  memoryForm(0xdc, reg, `f${name}`, "m64fp", "load", withMemory(operand.readFloat64));
  memoryForm(0xda, reg, `fi${name}`, "m32int", "load", withMemory(operand.readInteger32));
  memoryForm(0xde, reg, `fi${name}`, "m16int", "load", withMemory(operand.readInteger16));
  registerForms(0xd8, first, `f${name}`, "st, st(i)", (fpu, i) =>
    reversed
      ? fpu.arithmetic.binary(operation, 0, i, 0, false)
      : fpu.arithmetic.binary(operation, 0, 0, i, false),
  );
  // with ST(i) as destination FSUB and FSUBR, FDIV and FDIVR change places
  const order = reg & 4 ? reg ^ 1 : reg;
  const swapped = ARITHMETIC[order]?.name;
  registerForms(0xdc, first, `f${swapped}`, "st(i), st", (fpu, i) =>
    reversed
      ? fpu.arithmetic.binary(operation, i, i, 0, false)
      : fpu.arithmetic.binary(operation, i, 0, i, false),
  );
  registerForms(0xde, first, `f${swapped}p`, "st(i), st", (fpu, i) =>
    reversed
      ? fpu.arithmetic.binary(operation, i, i, 0, true)
      : fpu.arithmetic.binary(operation, i, 0, i, true),
  );
}
registerForms(0xde, 0xd0, "fcomp", "st(i)", (fpu, i) => fpu.comparison.registers(i, false, 1)); // undocumented double
form(0xde, 0xd9, "fcompp", (fpu) => fpu.comparison.registers(1, false, 2));

// --- D9 --------------------------------------------------------------------------------------

memoryForm(0xd9, 0, "fld", "m32fp", "load", (fpu) => fpu.transfer.loadFloat(operand.readFloat32));
memoryForm(0xd9, 2, "fst", "m32fp", "store", (fpu) =>
  fpu.transfer.store(operand.writeFloat32, 4, 0),
);
memoryForm(0xd9, 3, "fstp", "m32fp", "store", (fpu) =>
  fpu.transfer.store(operand.writeFloat32, 4, 1),
);
memoryForm(
  0xd9,
  4,
  "fldenv",
  "m14/28byte",
  "load",
  (fpu, _, format) => fpu.control.loadEnvironment(format),
  CONTROL,
);
memoryForm(0xd9, 5, "fldcw", "m2byte", "load", (fpu) => fpu.control.loadControl(), CONTROL);
memoryForm(
  0xd9,
  6,
  "fnstenv",
  "m14/28byte",
  "store",
  (fpu, _, format) => fpu.control.storeEnvironment(format),
  NO_WAIT,
);
memoryForm(0xd9, 7, "fnstcw", "m2byte", "store", (fpu) => fpu.control.storeControl(), NO_WAIT);
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
memoryForm(0xdb, 0, "fild", "m32int", "load", (fpu) => fpu.transfer.load(operand.readInteger32));
memoryForm(0xdb, 1, "fisttp", "m32int", "store", (fpu) => fpu.transfer.store(truncated32, 4, 1));
memoryForm(0xdb, 2, "fist", "m32int", "store", (fpu) => fpu.transfer.store(integer32, 4, 0));
memoryForm(0xdb, 3, "fistp", "m32int", "store", (fpu) => fpu.transfer.store(integer32, 4, 1));
memoryForm(0xdb, 5, "fld", "m80fp", "load", (fpu) => fpu.transfer.load(operand.readFloat80));
memoryForm(0xdb, 7, "fstp", "m80fp", "store", (fpu) =>
  fpu.transfer.store(operand.writeFloat80, 10, 1),
);
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

memoryForm(0xdd, 0, "fld", "m64fp", "load", (fpu) => fpu.transfer.loadFloat(operand.readFloat64));
memoryForm(0xdd, 1, "fisttp", "m64int", "store", (fpu) => fpu.transfer.store(truncated64, 8, 1));
memoryForm(0xdd, 2, "fst", "m64fp", "store", (fpu) =>
  fpu.transfer.store(operand.writeFloat64, 8, 0),
);
memoryForm(0xdd, 3, "fstp", "m64fp", "store", (fpu) =>
  fpu.transfer.store(operand.writeFloat64, 8, 1),
);
memoryForm(
  0xdd,
  4,
  "frstor",
  "m94/108byte",
  "load",
  (fpu, _, format) => fpu.control.loadState(format),
  CONTROL,
);
memoryForm(
  0xdd,
  6,
  "fnsave",
  "m94/108byte",
  "store",
  (fpu, _, format) => fpu.control.storeState(format),
  NO_WAIT,
);
memoryForm(0xdd, 7, "fnstsw", "m2byte", "store", (fpu) => fpu.control.storeStatus(), NO_WAIT);
registerForms(0xdd, 0xc0, "ffree", "st(i)", (fpu, i) => fpu.control.free(i, false));
registerForms(0xdd, 0xc8, "fxch", "st(i)", (fpu, i) => fpu.transfer.exchange(i)); // undocumented double
registerForms(0xdd, 0xd0, "fst", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, false));
registerForms(0xdd, 0xd8, "fstp", "st(i)", (fpu, i) => fpu.transfer.storeRegister(i, true));
registerForms(0xdd, 0xe0, "fucom", "st(i)", (fpu, i) => fpu.comparison.registers(i, true, 0));
registerForms(0xdd, 0xe8, "fucomp", "st(i)", (fpu, i) => fpu.comparison.registers(i, true, 1));

// --- DF --------------------------------------------------------------------------------------

memoryForm(0xdf, 0, "fild", "m16int", "load", (fpu) => fpu.transfer.load(operand.readInteger16));
memoryForm(0xdf, 1, "fisttp", "m16int", "store", (fpu) => fpu.transfer.store(truncated16, 2, 1));
memoryForm(0xdf, 2, "fist", "m16int", "store", (fpu) => fpu.transfer.store(integer16, 2, 0));
memoryForm(0xdf, 3, "fistp", "m16int", "store", (fpu) => fpu.transfer.store(integer16, 2, 1));
memoryForm(0xdf, 4, "fbld", "m80bcd", "load", (fpu) => fpu.transfer.load(operand.readDecimal));
memoryForm(0xdf, 5, "fild", "m64int", "load", (fpu) => fpu.transfer.load(operand.readInteger64));
memoryForm(0xdf, 6, "fbstp", "m80bcd", "store", (fpu) =>
  fpu.transfer.store(operand.writeDecimal, 10, 1),
);
memoryForm(0xdf, 7, "fistp", "m64int", "store", (fpu) => fpu.transfer.store(integer64, 8, 1));
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

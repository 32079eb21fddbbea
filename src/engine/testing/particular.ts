import type { Decoded } from "../x86/decoder.ts";
import { SS } from "../x86/state.ts";
import { x87Row } from "../x87/table.ts";
import { AT, type Case } from "./case.ts";
import { operandAddress } from "./effective.ts";
import type { Generator } from "./generate.ts";
import {
  BASED_16,
  BASED_32,
  baseOf,
  CODE,
  CODE_16,
  CODE_32,
  CODE_64,
  DATA,
  FLAT_DATA,
  MEMORY,
  MEMORY_BYTES,
} from "./layout.ts";
import { decimal, double, extended, integer, single } from "./values.ts";

/** What an instruction needs so that random values say something about it. */
type Prepare = (generator: Generator, decoded: Decoded, record: Case) => void;

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RDI = 7;

/** Index in the record of a linear address in the case's memory; -1 if it is not all in there. */
function placeOf(linear: number, bytes: number): number {
  const offset = linear - DATA - MEMORY;
  return offset >= 0 && offset + bytes <= MEMORY_BYTES ? AT.memory + offset : -1;
}

function put(record: Case, linear: number, bytes: number, value: number): void {
  const at = placeOf(linear, bytes);
  if (at < 0) return;
  if (bytes === 2) record.view.setUint16(at, value & 0xffff, true);
  else record.view.setUint32(at, value >>> 0, true);
  if (bytes === 8) record.view.setUint32(at + 4, Math.floor(value / 2 ** 32) >>> 0, true);
}

function stackTop(record: Case): number {
  const base = record.bits === 64 ? 0 : baseOf(record.selector(SS));
  return base + record.low(RSP);
}

/** An address in the code region as a jump needs it. */
function target(generator: Generator, bits: number): number {
  const { random } = generator;
  if (random.oneIn(20)) return random.pick([0, DATA, 0x7000_0000, CODE - 1, 0xffff]);
  return 0x2100 + random.below(0x1000) + (bits === 16 ? 0 : CODE);
}

const SELECTORS = [
  ...[0, 3, FLAT_DATA, FLAT_DATA, CODE_32, CODE_64, CODE_16, BASED_32, BASED_16],
  ...[0x10, 0x18, 0x08, 0x28, 0x29, 0x60, 0x63, 0x80, 0x83, 0x1f, 0x27, 0x0c, 0x2d],
];

function selector(generator: Generator): number {
  const { random } = generator;
  return random.oneIn(20) ? 0x80 + random.below(0xff00) : random.pick(SELECTORS);
}

const repeated: Prepare = ({ random }, decoded, record) => {
  if (decoded.repeat === "none") return;
  const count = random.oneIn(8) ? 0 : random.below(24);
  const above = record.bits === 64 && decoded.addressBits === 32 ? random.u32() : 0;
  const narrow = decoded.addressBits === 16 ? random.u32() << 16 : 0;
  record.setPair(RCX, narrow | count, above);
};

/** Equal strings for a while, so that comparisons go on. */
const compared: Prepare = (generator, decoded, record) => {
  repeated(generator, decoded, record);
  const { random } = generator;
  if (random.oneIn(2)) record.u8.fill(record.u8[AT.general] as number, AT.memory, 1024 + AT.memory);
  if (random.oneIn(2))
    for (let k = 1; k < 8; k++) record.u8[AT.general + k] = record.u8[AT.general] as number;
  if (random.oneIn(2)) {
    const at = AT.memory + random.below(MEMORY_BYTES);
    record.u8[at] = random.u32() & 0xff;
  }
  if (record.bits !== 64) record.setPair(RAX, record.low(RAX), 0);
};

const divide: Prepare = ({ random }, decoded, record) => {
  if (random.oneIn(3)) return;
  // A quotient that fits, or nearly: the upper half is small.
  const bits = decoded.operands[0]?.kind === "register" ? decoded.operands[0].bytes * 8 : 0;
  const small = random.below(5) - 2;
  if (bits === 8) record.setPair(RAX, (random.below(512) - 128) & 0xffff, 0);
  else record.setPair(RDX, small, record.bits === 64 ? small >> 31 : 0);
};

const exchange: Prepare = (generator, decoded, record) => {
  if (generator.random.oneIn(2)) return;
  const [first] = decoded.operands;
  const memory = operandAddress(decoded, record) ?? -1;
  if (first?.kind === "register") {
    record.setPair(RAX, record.low(first.index), record.high(first.index));
    return;
  }
  const wide = decoded.row.mnemonic === "CMPXCHG8B" && decoded.operandBits === 64;
  const at = placeOf(memory, wide ? 16 : 8);
  if (at < 0) return;
  const offsets = wide ? [0, 4, 8, 12] : [0, 4];
  const [a = 0, b = 0, c = 0, d = 0] = offsets.map((k) => record.view.getUint32(at + k, true));
  const narrow = decoded.row.mnemonic === "CMPXCHG8B" && !wide;
  const uses = new Set(
    decoded.operands.flatMap((o) => (o.kind === "memory" ? [o.base, o.index] : [])),
  );
  const set = (register: number, lo: number, hi: number): void => {
    if (!uses.has(register)) record.setPair(register, lo, record.bits === 64 ? hi : 0);
  };
  set(RAX, a, narrow ? 0 : b);
  if (decoded.row.mnemonic === "CMPXCHG8B") set(RDX, narrow ? b : c, narrow ? 0 : d);
};

/** Bit numbers near the operand. */
const bitTest: Prepare = ({ random }, decoded, record) => {
  const [first, second] = decoded.operands;
  if (first?.kind !== "memory" || second?.kind !== "register") return;
  if (second.index === first.base || second.index === first.index || second.index === RSP) return;
  const number = random.below(4000) - 2000;
  record.setPair(second.index, number, record.bits === 64 ? number >> 31 : 0);
};

const jumpIndirect: Prepare = (generator, decoded, record) => {
  const [operand] = decoded.operands;
  const to = target(generator, record.bits);
  if (operand?.kind === "register") record.setNumber(AT.general + 8 * operand.index, to);
  else put(record, operandAddress(decoded, record) ?? -1, decoded.operandBits / 8, to);
};

const jumpFar: Prepare = (generator, decoded, record) => {
  const at = operandAddress(decoded, record) ?? -1;
  if (at < 0) return;
  const code = codeSelector(generator, record);
  put(record, at, decoded.operandBits / 8, farTarget(generator, code));
  put(record, at + decoded.operandBits / 8, 2, code);
};

function codeSelector(generator: Generator, record: Case): number {
  const { random } = generator;
  const chosen = random.oneIn(4) ? selector(generator) : random.pick([CODE_64, CODE_32, CODE_16]);
  // After a stack in the local table the kernel leaves the upper half of RSP to chance.
  return (record.selector(SS) & 4) !== 0 && chosen >> 3 === CODE_64 >> 3 ? CODE_32 : chosen;
}

function farTarget(generator: Generator, code: number): number {
  return target(generator, code & 4 ? 16 : 64);
}

const returnNear: Prepare = (generator, decoded, record) => {
  put(record, stackTop(record), decoded.operandBits / 8, target(generator, record.bits));
};

const returnFar: Prepare = (generator, decoded, record) => {
  const { random } = generator;
  const bytes = decoded.operandBits / 8;
  const top = stackTop(record);
  const code = codeSelector(generator, record);
  put(record, top, bytes, farTarget(generator, code));
  put(record, top + bytes, bytes, code + (bytes > 2 && random.oneIn(4) ? 0x1_0000 : 0));
  if (decoded.row.mnemonic !== "IRET") return;
  const flags = (random.u32() & 0x24_4cd5) | (random.oneIn(2) ? 0x202 : 0);
  put(record, top + 2 * bytes, bytes, random.oneIn(2) ? flags & ~0x4000 : flags);
  const stack = random.oneIn(4) ? selector(generator) : random.pick([FLAT_DATA, BASED_32]);
  put(record, top + 3 * bytes, bytes, DATA + MEMORY + 0x100);
  put(record, top + 4 * bytes, bytes, stack);
};

const popFlags: Prepare = ({ random }, decoded, record) => {
  // Not TF: the trap would come from the HLT's place.
  const flags = random.u32() & ~0x100;
  put(record, stackTop(record), decoded.operandBits / 8, flags >>> 0);
};

const loadSelector: Prepare = (generator, decoded, record) => {
  const operand = decoded.operands.find(
    (o, k) => k > 0 && (o.kind === "memory" || o.kind === "register"),
  );
  const value = selector(generator);
  if (decoded.row.mnemonic === "POP") {
    put(record, stackTop(record), decoded.operandBits / 8, value);
    return;
  }
  const only = operand ?? decoded.operands[0];
  if (only?.kind === "register" && only.file === "general")
    record.setPair(
      only.index,
      ((generator.random.u32() << 16) | value) >>> 0,
      record.bits === 64 ? generator.random.u32() : 0,
    );
  else if (only?.kind === "memory") {
    const at = operandAddress(decoded, record) ?? -1;
    const far = decoded.row.operands.some(({ size }) => size === "p");
    put(record, at + (far ? decoded.operandBits / 8 : 0), 2, value);
  }
};

const loop: Prepare = ({ random }, _decoded, record) => {
  if (random.oneIn(2)) record.setPair(RCX, random.below(3), random.oneIn(2) ? 0 : record.high(RCX));
  if (record.bits !== 64) record.setPair(RCX, record.low(RCX), 0);
};

const bound: Prepare = (generator, decoded, record) => {
  const { random } = generator;
  const at = operandAddress(decoded, record) ?? -1;
  const bytes = decoded.operandBits / 8;
  if (!random.oneIn(3)) {
    put(record, at, bytes, -random.below(100));
    put(record, at + bytes, bytes, random.below(100));
    const [register] = decoded.operands;
    if (register?.kind === "register" && register.index !== RSP && random.oneIn(2)) {
      const memory = decoded.operands[1];
      if (
        memory?.kind === "memory" &&
        memory.base !== register.index &&
        memory.index !== register.index
      )
        record.setPair(register.index, random.below(240) - 120, 0);
    }
  }
};

/** MXCSR, MXCSR_MASK and the header of an image; the rest may be anything. */
const loadImage: Prepare = (generator, decoded, record) => {
  const { random } = generator;
  const at = placeOf(operandAddress(decoded, record) ?? -1, 576);
  const near = placeOf(operandAddress(decoded, record) ?? -1, 28);
  if (near >= 0) {
    record.view.setUint32(near + 24, random.u32() & (random.oneIn(8) ? 0x1_ffff : 0xffff), true);
    // ES and B follow from the rest.
    record.view.setUint16(near, random.u32() & 0x1f7f, true);
  }
  if (decoded.row.mnemonic === "FXRSTOR") return;
  stateMask(generator, decoded, record);
  if (at < 0) return;
  record.u8.fill(0, at + 512, at + 576);
  record.u8[at + 512] = random.below(8);
  // Not in the first bytes: the host may have components that the engine has not.
  if (random.oneIn(16))
    record.u8[at + 516 + random.below(20)] = random.pick([1, 0x80, random.below(256)]);
  // Nor the compacted format, which the engine has not either.
  record.u8[at + 527] = (record.u8[at + 527] as number) & 0x7f;
};

/** The components that the engine has too. */
const stateMask: Prepare = ({ random }, decoded, record) => {
  const used = new Set(
    decoded.operands.flatMap((o) => (o.kind === "memory" ? [o.base, o.index] : [])),
  );
  // The address must not suffer; then the mask is what the address leaves of it.
  if (!used.has(RDX)) record.setPair(RDX, 0, 0);
  if (!used.has(RAX)) record.setPair(RAX, random.below(8), 0);
};

const loadMxcsr: Prepare = (generator, decoded, record) => {
  const { random } = generator;
  put(
    record,
    operandAddress(decoded, record) ?? -1,
    4,
    random.below(random.oneIn(4) ? 2 ** 17 : 2 ** 16),
  );
};

const canonical: Prepare = ({ random }, decoded, record) => {
  const [operand] = decoded.operands;
  if (operand?.kind !== "register" || random.oneIn(4)) return;
  record.setPair(operand.index, random.u32(), random.pick([0, 0x7fff, 0xffff_8000, 0x1234]));
};

const stringPointer: Prepare = (generator, decoded, record) => {
  const to = generator.target(16);
  const width = decoded.addressBits === 16 ? 0xffff : 0xffff_ffff;
  const base = record.bits === 64 ? 0 : baseOf(record.selector(3));
  record.setNumber(AT.general + 8 * RDI, (to - base) & width);
};

const table: Prepare = (generator, decoded, record) => {
  // [rBX + AL]
  const base = record.bits === 64 ? 0 : baseOf(record.selector(3));
  const to = generator.target(1) - base - (record.low(RAX) & 0xff);
  record.setNumber(AT.general + 8 * RBX, decoded.addressBits === 16 ? to & 0xffff : to >>> 0);
};

const index: Prepare = ({ random }, _decoded, record) => {
  record.setPair(RCX, random.pick([0, 0, 2, 5, 0x100]), 0);
};

/** Register numbers that are lengths of strings. */
const lengths: Prepare = ({ random }, decoded, record) => {
  const used = new Set(
    decoded.operands.flatMap((o) => (o.kind === "memory" ? [o.base, o.index] : [])),
  );
  for (const register of [RAX, RDX])
    if (!random.oneIn(3) && !used.has(register)) {
      const length = random.below(40) - 20;
      record.setPair(register, length, record.bits === 64 ? length >> 31 : 0);
    }
};

const x87Memory: Prepare = (generator, decoded, record) => {
  const { random } = generator;
  const { row } = decoded;
  const kind = x87Row(row.opcode, row.reg << 3)?.memory;
  if (kind == null) return;
  const at = placeOf(operandAddress(decoded, record) ?? -1, 10);
  if (at < 0) return;
  const { view } = record;
  switch (kind) {
    case "m32fp":
      single(random, view, at);
      break;
    case "m64fp":
      double(random, view, at);
      break;
    case "m80fp":
      extended(random, view, at);
      break;
    case "m80bcd":
      decimal(random, view, at);
      break;
    case "m14/28byte":
    case "m94/108byte":
      image(generator, record, placeOf(at - AT.memory + DATA + MEMORY, 108), decoded.operandBits);
      break;
    default:
      integer(random, view, at);
  }
};

/** Control, status and tag words of an FSTENV image. */
function image({ random }: Generator, record: Case, at: number, bits: number): void {
  if (at < 0) return;
  const step = bits === 16 ? 2 : 4;
  const words = [
    0x40 | (random.u32() & 0xf3f) | (random.oneIn(2) ? 0x3f : 0),
    random.u32() & 0x7f7f,
    random.oneIn(2) ? random.u32() & 0xffff : random.pick([0, 0xffff]),
  ];
  words.forEach((word, k) => {
    record.view.setUint16(at + step * k, word, true);
  });
}

const BY_MNEMONIC: Readonly<Record<string, Prepare>> = {
  ...{ MOVS: repeated, STOS: repeated, LODS: repeated, INS: repeated, OUTS: repeated },
  ...{ CMPS: compared, SCAS: compared },
  ...{ DIV: divide, IDIV: divide },
  ...{ CMPXCHG: exchange, CMPXCHG8B: exchange },
  ...{ BT: bitTest, BTS: bitTest, BTR: bitTest, BTC: bitTest },
  ...{ JMPF: jumpFar, CALLF: jumpFar },
  ...{ RET: returnNear, RETF: returnFar, IRET: returnFar },
  ...{ POPF: popFlags },
  ...{ LES: loadSelector, LDS: loadSelector, LSS: loadSelector, LFS: loadSelector },
  ...{ LGS: loadSelector, LAR: loadSelector, LSL: loadSelector, VERR: loadSelector },
  ...{ VERW: loadSelector, ARPL: loadSelector },
  ...{ LOOP: loop, LOOPE: loop, LOOPNE: loop, JCXZ: loop },
  BOUND: bound,
  ...{ FXRSTOR: loadImage, XRSTOR: loadImage },
  ...{ XSAVE: stateMask, XSAVEOPT: stateMask, XSAVEC: stateMask },
  ...{ LDMXCSR: loadMxcsr, VLDMXCSR: loadMxcsr },
  ...{ WRFSBASE: canonical, WRGSBASE: canonical },
  ...{ MASKMOVQ: stringPointer, MASKMOVDQU: stringPointer, VMASKMOVDQU: stringPointer },
  XLAT: table,
  ...{ XGETBV: index, RDPMC: index },
  ...{ PCMPESTRM: lengths, PCMPESTRI: lengths, VPCMPESTRM: lengths, VPCMPESTRI: lengths },
};

/** Gives the operands of particular instructions values that mean something to them. */
export function prepareOperands(generator: Generator, decoded: Decoded, record: Case): void {
  const { row } = decoded;
  const prepare = BY_MNEMONIC[row.mnemonic];
  if (prepare !== undefined) prepare(generator, decoded, record);
  else if (row.options.unit === "x87") x87Memory(generator, decoded, record);
  else if (row.mnemonic === "JMP" || row.mnemonic === "CALL") {
    if (decoded.operands[0]?.kind !== "relative") jumpIndirect(generator, decoded, record);
  } else if (
    (row.mnemonic === "MOV" || row.mnemonic === "POP") &&
    decoded.operands[0]?.kind === "register" &&
    decoded.operands[0].file === "segment"
  )
    loadSelector(generator, decoded, record);
}

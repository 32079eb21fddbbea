import { type Decoded, Decoder, type Undecodable } from "../x86/decoder.ts";
import {
  MODE_AVX,
  MODE_CODE_32,
  MODE_CODE_64,
  MODE_CPL_3,
  MODE_LMA,
  MODE_OSFXSR,
  MODE_PROTECTED,
  MODE_STACK_32,
} from "../x86/mode.ts";
import { type MemoryOperand, RIP_BASE } from "../x86/operand.ts";
import type { Row } from "../x86/row.ts";
import { DS, ES, FS, GS, SS } from "../x86/state.ts";
import { operandBytes } from "../x87/row.ts";
import { x87Row } from "../x87/table.ts";
import { AT, type Case } from "./case.ts";
import { type Bits, type Encoded, encode } from "./encoding.ts";
import {
  BASED_16,
  BASED_32,
  baseOf,
  CODE,
  CODE_16,
  CODE_32,
  CODE_64,
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  FLAT_DATA,
  MEMORY,
  MEMORY_BYTES,
} from "./layout.ts";
import { canRun, isBeyondTheEngine } from "./not-run.ts";
import { prepareOperands } from "./particular.ts";
import type { Random } from "./random.ts";
import { integer, Pool } from "./values.ts";

export const MODES: Readonly<Record<Bits, number>> = {
  16: MODE_PROTECTED | MODE_LMA | MODE_CPL_3 | MODE_OSFXSR | MODE_AVX,
  32:
    MODE_PROTECTED | MODE_LMA | MODE_CPL_3 | MODE_OSFXSR | MODE_AVX | MODE_CODE_32 | MODE_STACK_32,
  64:
    MODE_PROTECTED | MODE_LMA | MODE_CPL_3 | MODE_OSFXSR | MODE_AVX | MODE_CODE_64 | MODE_STACK_32,
};

const CODE_SELECTOR: Readonly<Record<Bits, number>> = { 16: CODE_16, 32: CODE_32, 64: CODE_64 };
const CF_PF_AF_ZF_SF_OF = 0x8d5;

/** An instruction in its place; the values that it meets are chosen case by case. */
export interface Shape {
  readonly row: Row;
  readonly bits: Bits;
  readonly code: readonly number[];
  readonly decoded: Decoded | Undecodable;
  /** Offset in the code region. */
  readonly start: number;
  /** ES, CS, SS, DS, FS, GS */
  readonly selectors: readonly number[];
  readonly fsBase: number;
  readonly gsBase: number;
  /** Linear address of the memory operand, if the code alone decides it; -1 otherwise. */
  readonly fixedTarget: number;
}

/** Bytes at a memory operand whose size the table does not say. */
const SIZES: Readonly<Record<string, number>> = {
  FXSAVE: 512,
  FXRSTOR: 512,
  XSAVE: 832,
  XSAVEOPT: 832,
  XSAVEC: 832,
  XSAVES: 832,
  XRSTOR: 832,
  XRSTORS: 832,
  CMPXCHG8B: 16,
  SGDT: 10,
  SIDT: 10,
  LGDT: 10,
  LIDT: 10,
  INVPCID: 16,
};

function memoryBytes(row: Row, operand: MemoryOperand, bits: number): number {
  if (row.options.unit === "x87") {
    const kind = x87Row(row.opcode, row.reg << 3)?.memory;
    if (kind != null) return operandBytes(kind, bits === 16 ? 16 : 32);
  }
  return SIZES[row.mnemonic] ?? Math.max(operand.bytes, 1);
}

/** As many bytes, which follow as the decoder was shown them. */
function exactly(bytes: readonly number[], length: number): number[] {
  return [...bytes, ...new Array<number>(16).fill(0x90)].slice(0, length);
}

/** Makes cases from the instruction table. */
export class Generator {
  readonly random: Random;
  readonly pool: Pool;
  readonly #decoder = new Decoder();

  constructor(random: Random) {
    this.random = random;
    this.pool = new Pool(random);
  }

  /** A random encoding of a row; undefined: this choice has none that can be run. */
  shape(row: Row): Shape | undefined {
    const { random } = this;
    const bits = random.pick<Bits>([64, 64, 64, 64, 64, 64, 32, 32, 32, 16]);
    const encoded = encode(row, random, bits);
    if (encoded === undefined) return undefined;
    const { bytes } = encoded;
    let shift = 0;
    if (random.oneIn(12)) shift = this.#decorate(bytes, bits);
    const decode = (): Decoded | Undecodable =>
      this.#decoder.decode(Uint8Array.from([...bytes, ...new Array(16).fill(0x90)]), MODES[bits]);
    let decoded = decode();
    if (decoded.row === undefined ? isBeyondTheEngine(bytes) : !canRun(decoded, bytes, bits))
      return undefined;
    const length = decoded.row === undefined ? bytes.length : decoded.length;
    if (bytes.length > 15) return undefined;
    // How many bytes are looked at before #UD is not defined: not where there are no more.
    const isUndefined = decoded.row === undefined || /^UD[01]$/.test(decoded.row.mnemonic);
    const start =
      !isUndefined && random.oneIn(16)
        ? CODE_BYTES - random.below(length + 2)
        : 0x2000 + random.below(32);
    if (start >= CODE_BYTES) return undefined;
    if (decoded.row === undefined)
      return { ...this.#surroundings(bits, undefined), row, bits, code: bytes, decoded, start };
    const memory = decoded.operands.find((operand) => operand.kind === "memory");
    const surroundings = this.#surroundings(bits, decoded);
    // A prefix may have changed how long it is.
    if (shift > 0 && decoded.length !== bytes.length)
      return { ...surroundings, row, bits, code: exactly(bytes, length), decoded, start };
    const fixedTarget = this.#patch(encoded, shift, decoded, memory, start, surroundings);
    decoded = decode();
    return { ...surroundings, fixedTarget, row, bits, code: bytes, decoded, start };
  }

  /** Adds a prefix that may say nothing, something else or too much. Returns by how many bytes. */
  #decorate(bytes: number[], bits: Bits): number {
    const { random } = this;
    const prefixes = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65];
    if (bits === 64) prefixes.push(0x40 | random.below(16));
    const count = 1 + (random.oneIn(8) ? random.below(5) : 0);
    for (let k = 0; k < count; k++) bytes.unshift(random.pick(prefixes));
    return count;
  }

  #surroundings(
    bits: Bits,
    decoded: Decoded | undefined,
  ): Pick<Shape, "selectors" | "fsBase" | "gsBase" | "fixedTarget"> {
    const { random } = this;
    const code = CODE_SELECTOR[bits];
    const fixedTarget = -1;
    if (bits === 64) {
      // Within reach of a displacement of 32 bits, and not above what they are added to.
      const base = (): number =>
        random.pick([0, DATA, 0x1000, random.below(DATA), random.below(DATA)]);
      const data = random.pick([0, 0, FLAT_DATA]);
      const selectors = [data, code, FLAT_DATA, data, 0, 0];
      return { selectors, fsBase: base(), gsBase: base(), fixedTarget };
    }
    const short = bits === 16 || decoded?.addressBits === 16;
    const based = short || random.oneIn(4);
    const data = !based ? FLAT_DATA : random.oneIn(2) ? BASED_32 : BASED_16;
    const stack = !based ? FLAT_DATA : bits === 16 ? BASED_16 : BASED_32;
    const extra = (): number => random.pick(short ? [BASED_32, BASED_16] : [FLAT_DATA, BASED_32]);
    const selectors = [data, code, stack, data, extra(), extra()];
    if (random.oneIn(32)) selectors[random.pick([ES, DS, FS, GS])] = 0;
    return { selectors, fsBase: 0, gsBase: 0, fixedTarget };
  }

  /** Chooses what the code alone decides: jumps land in the code region, addresses in the data region. */
  #patch(
    { bytes, displacementAt, displacementBytes, immediateAt }: Encoded,
    shift: number,
    decoded: Decoded,
    memory: MemoryOperand | undefined,
    start: number,
    surroundings: Pick<Shape, "selectors" | "fsBase" | "gsBase">,
  ): number {
    const { random } = this;
    const put = (at: number, count: number, value: number): void => {
      for (let k = 0; k < count; k++)
        bytes[at + k] = Number((BigInt(value) >> BigInt(8 * k)) & 0xffn);
    };
    const { row } = decoded;
    for (const operand of decoded.operands) {
      if (operand.kind === "relative") {
        const count = bytes.length - immediateAt - shift;
        // Never into itself: it might never end, or be another instruction.
        const away = bytes.length + 1 + random.below(count >= 2 ? 0xc00 : 110);
        put(immediateAt + shift, count, random.oneIn(2) ? away - bytes.length : -away);
      } else if (operand.kind === "far") {
        const count = bytes.length - immediateAt - shift - 2;
        // After a stack in the local table the kernel leaves the upper half of RSP to chance.
        const code64 = (surroundings.selectors[SS] as number) & 4 ? CODE_32 : CODE_64;
        const selector = random.pick([code64, CODE_32, CODE_16, FLAT_DATA, random.below(0x30)]);
        const offset = 0x2100 + random.below(0x400) + (selector & 4 || count === 2 ? 0 : CODE);
        put(immediateAt + shift, count, offset);
        put(immediateAt + shift + count, 2, selector);
      }
    }
    if (row.mnemonic === "INT" && bytes[immediateAt + shift] === 0x80)
      bytes[immediateAt + shift] = 0x81;
    if (memory === undefined || displacementBytes < 2 || memory.index >= 0) return -1;
    if (memory.base >= 0 && memory.base !== RIP_BASE) return -1;
    const target = this.target(memoryBytes(row, memory, decoded.operandBits));
    let value = target - this.#segmentBase(surroundings, memory.segment);
    if (memory.base === RIP_BASE) value -= CODE + start + decoded.length;
    put(displacementAt + shift, displacementBytes, value);
    return target;
  }

  #segmentBase(
    { selectors, fsBase, gsBase }: Pick<Shape, "selectors" | "fsBase" | "gsBase">,
    segment: number,
  ): number {
    if (selectors[1] === CODE_64) return segment === FS ? fsBase : segment === GS ? gsBase : 0;
    return baseOf(selectors[segment] as number);
  }

  /** Linear address for an operand: mostly in the case's memory, often across pages, sometimes where there is none. */
  target(bytes: number): number {
    const { random } = this;
    const kind = random.below(32);
    if (kind === 0) return DATA + DATA_BYTES - random.below(bytes + 2);
    if (kind === 1) return DATA - random.below(bytes + 2);
    if (kind < 7) return DATA + 0x1000 - random.below(bytes + 1);
    const room = Math.max(MEMORY_BYTES - bytes, 64);
    const target = DATA + MEMORY + random.below(room);
    // What must be aligned is to be so mostly.
    return random.oneIn(3) ? target : target & (bytes >= 64 ? -64 : bytes >= 32 ? -32 : -16);
  }

  /** Chooses everything that a shape starts from. */
  fill(shape: Shape, record: Case): void {
    const { random, pool } = this;
    const { bits, decoded } = shape;
    record.code = shape.code;
    record.bits = bits;
    record.start = shape.start;
    record.vector = record.error = record.outside = 0;
    record.setNumber(AT.cr2, 0);
    for (let index = 0; index < 6; index++)
      record.setSelector(index, shape.selectors[index] as number);
    record.setNumber(AT.rip, bits === 16 ? shape.start : CODE + shape.start);
    record.setNumber(AT.fsBase, shape.fsBase);
    record.setNumber(AT.gsBase, shape.gsBase);
    record.rflags = 0x202 | (random.u32() & CF_PF_AF_ZF_SF_OF) | (random.oneIn(6) ? 0x400 : 0);
    if (random.oneIn(40)) record.rflags |= 0x4_0000;
    this.#registers(record);
    this.#floatingPoint(shape, record);
    if (decoded.row === undefined) return;
    this.stackPointer(shape, record);
    const kind = pool.kind();
    pool.take(record, AT.memory, 512, kind);
    pool.take(record, AT.memory + 512, 512, kind);
    this.#relate(decoded, record);
    let addressed = false;
    for (const operand of decoded.operands) {
      if (operand.kind !== "memory" || (addressed && operand.base !== 6 && operand.base !== 7))
        continue;
      addressed = true;
      const { operandBits, row } = decoded;
      const target =
        shape.fixedTarget >= 0
          ? shape.fixedTarget
          : this.target(memoryBytes(row, operand, operandBits));
      this.address(shape, record, operand, target);
    }
    prepareOperands(this, decoded, record);
  }

  #registers(record: Case): void {
    const { random } = this;
    const wide = record.bits === 64;
    for (let k = 0; k < (wide ? 16 : 8); k++) {
      integer(random, record.view, AT.general + 8 * k);
      if (!wide) record.setPair(k, record.low(k), 0);
    }
    if (!wide) record.u8.fill(0, AT.general + 64, AT.general + 128);
  }

  #floatingPoint({ row }: Shape, record: Case): void {
    const { random, pool } = this;
    pool.renew();
    const kind = pool.kind();
    pool.take(record, AT.xmm, 256, kind);
    pool.take(record, AT.ymmHigh, 256, kind);
    pool.takeStack(record);
    const masks = random.oneIn(6) ? random.below(64) << 7 : 0x1f80;
    const sticky = random.oneIn(2) ? 0x20 : random.oneIn(3) ? random.below(64) : 0;
    const mode = random.oneIn(2)
      ? 0
      : (random.below(4) << 13) | (random.oneIn(3) ? 0x40 : 0) | (random.oneIn(3) ? 0x8000 : 0);
    record.mxcsr = masks | (sticky & (masks >> 7)) | mode;
    record.u8.fill(0, AT.image + 4, AT.image + 24);
    const top = random.below(8);
    if (row.options.unit === "x87" || row.options.unit === "mmx" || row.mnemonic === "FWAIT")
      this.#x87(record, top);
    else record.setX87(0x37f, top << 11, random.below(256));
  }

  #x87(record: Case, top: number): void {
    const { random } = this;
    const unmasked = random.oneIn(3);
    const masks = unmasked ? random.below(64) : 0x3f;
    // Precision control 01 is reserved.
    const precision = random.pick([3, 3, 3, 2, 0]);
    const control =
      0x40 | masks | (precision << 8) | (random.below(4) << 10) | (random.oneIn(20) ? 0x1000 : 0);
    let status = random.oneIn(2) ? 0 : random.u32() & 0x477f;
    if (!random.oneIn(16)) status &= masks | ~0x3f;
    // ES and B summarise.
    if (status & 0x3f & ~masks) status |= 0x8080;
    let tags = 0;
    const rarely = random.oneIn(3) ? 2 : 50;
    for (let k = 0; k < 8; k++) {
      const empty = k === 7 ? !random.oneIn(rarely) : random.oneIn(rarely);
      if (!empty) tags |= 1 << ((top + k) & 7);
    }
    record.setX87(control, (status & 0xc7ff) | (top << 11), tags);
  }

  /** In the case's memory, mostly aligned; rarely where a push or a pop faults. */
  stackPointer(shape: Shape, record: Case): void {
    const { random } = this;
    let at = DATA + MEMORY + 0x100 + random.below(0x200);
    if (!random.oneIn(8)) at &= -8;
    if (random.oneIn(48)) at = random.pick([DATA, DATA + DATA_BYTES]) + random.below(16) - 8;
    at -= shape.bits === 64 ? 0 : baseOf(shape.selectors[SS] as number);
    record.setNumber(AT.general + 32, at);
    // Neither 32-bit addresses nor a 16-bit stack see the rest; nor is it kept.
    if (shape.bits === 64 && random.oneIn(100)) record.setPair(4, at, random.u32());
  }

  /** Makes a memory operand's address `target`, or one close to it. */
  address(shape: Shape, record: Case, operand: MemoryOperand, target: number): void {
    const { random } = this;
    if (shape.decoded.row === undefined) return;
    const { base, index, shift } = operand;
    if (base === RIP_BASE || (base < 0 && index < 0)) return;
    const { addressBits } = shape.decoded;
    const displacement = operand.displacementHigh * 2 ** 32 + (operand.displacement >>> 0);
    let rest = target - this.#segmentBase(shape, operand.segment) - displacement;
    let last = base;
    let first = index;
    if (operand.vsib) first = -1;
    if (first < 0) this.#set(record, last, rest, addressBits);
    else if (last < 0) this.#set(record, first, Math.floor(rest / 2 ** shift), addressBits);
    else if (first === last)
      this.#set(record, first, Math.floor(rest / (1 + 2 ** shift)), addressBits);
    else {
      // RSP is to be near its place if it can.
      if (last === 4 && random.oneIn(2)) {
        rest -= record.low(4);
        this.#set(record, first, Math.floor(rest / 2 ** shift), addressBits);
        return;
      }
      const value = random.oneIn(4) ? random.below(0x1_0000) : random.below(64) - 16;
      this.#set(record, first, value, addressBits);
      this.#set(record, last, rest - value * 2 ** shift, addressBits);
    }
    last = last < 0 ? first : last;
    if (addressBits === 64 && random.oneIn(50)) {
      // not canonical, or in the kernel's half
      const high = record.high(last) ^ random.pick([0x8000, 0x4000_0000, 0x8000_0000, 0xffff_8000]);
      record.setPair(last, record.low(last), high);
    }
    if (operand.vsib) this.#vectorIndices(record, operand);
  }

  /** Small indices for every element, of 4 or 8 bytes. */
  #vectorIndices(record: Case, { index }: MemoryOperand): void {
    const { random } = this;
    const wide = random.oneIn(2);
    for (const at of [AT.xmm + 16 * index, AT.ymmHigh + 16 * index])
      for (let k = 0; k < 16; k += 4) {
        const value = random.oneIn(40) ? random.below(0x2000) : random.below(64) - 32;
        record.view.setInt32(at + k, value, true);
        if (wide && k % 8 === 4)
          record.view.setInt32(at + k, record.view.getInt32(at + k - 4, true) >> 31, true);
      }
  }

  /** Sets a register that an address is made of; what is above the address size says nothing. */
  #set(record: Case, register: number, value: number, bits: Bits): void {
    const { random } = this;
    const above = random.oneIn(2) ? random.u32() : 0;
    if (bits === 64) record.setNumber(AT.general + 8 * register, value);
    else if (bits === 32) record.setPair(register, value, record.bits === 64 ? above : 0);
    else record.setPair(register, (value & 0xffff) | (above << 16), 0);
  }

  /** Two operands that have something to do with each other. */
  #relate(decoded: Decoded, record: Case): void {
    const { random } = this;
    if (!random.oneIn(4)) return;
    const [first, second] = decoded.operands;
    if (first?.kind !== "register" || second?.kind !== "register") return;
    if (first.file === "general" && second.file === "general")
      record.setPair(
        first.index,
        record.low(second.index) + random.below(3) - 1,
        record.high(second.index),
      );
    else if (first.file === "xmm" && second.file === "xmm")
      for (const at of [AT.xmm, AT.ymmHigh]) {
        const { u8 } = record;
        u8.copyWithin(at + 16 * first.index, at + 16 * second.index, at + 16 * second.index + 16);
        const byte = at + 16 * first.index + random.below(16);
        u8[byte] = (u8[byte] as number) ^ (1 << random.below(8));
      }
  }
}

import type { OperandMethod, OperandSpec, Row } from "../x86/row.ts";
import type { Random } from "./random.ts";

export type Bits = 16 | 32 | 64;

/** The bytes of an instruction, and where in them what a case may want to choose stands. */
export interface Encoded {
  readonly bytes: number[];
  /** Index and number of bytes of ModRM's displacement or a memory offset; 0 bytes: it has none. */
  readonly displacementAt: number;
  readonly displacementBytes: number;
  /** Index of the first immediate. */
  readonly immediateAt: number;
}

export const FS_GS = [0x64, 0x65];
const ANY_SEGMENT = [0x26, 0x2e, 0x36, 0x3e, ...FS_GS];
const MANDATORY = { NP: 0, "66": 1, F3: 2, F2: 3 };

/** One encoding in the making. */
class Encoding {
  readonly row: Row;
  readonly random: Random;
  readonly code: Bits;
  rex = 0;
  displacementBytes = 0;

  constructor(row: Row, random: Random, code: Bits) {
    this.row = row;
    this.random = random;
    this.code = code;
  }

  has(...methods: OperandMethod[]): boolean {
    return this.row.operands.some(({ method }) => methods.includes(method));
  }

  /** Low bits of a register number; `bit` of REX may extend it. */
  #register(bit: number): number {
    if (this.code === 64 && this.random.oneIn(2)) this.rex |= bit;
    return this.random.below(8);
  }

  #reg(): number {
    if (this.row.reg >= 0) return this.row.reg;
    if (this.has("seg")) return this.random.below(6);
    if (this.has("C")) return this.random.pick([0, 2, 3, 4]);
    if (this.has("D")) return this.random.below(8);
    return this.#register(this.has("P") ? 0 : 4);
  }

  /** ModRM that names registers. */
  registers(): number[] {
    const { rm, ignoresMod } = this.row;
    return [
      (ignoresMod ? this.random.below(4) << 6 : 0xc0) |
        (this.#reg() << 3) |
        (rm >= 0 ? rm : this.#register(this.has("Q", "N") ? 0 : 1)),
    ];
  }

  /** ModRM, SIB and displacement of any memory operand. */
  memory(addressBits: Bits): number[] {
    const { random } = this;
    const vsib = this.has("vm");
    if (vsib && addressBits === 16) throw new RangeError("VSIB needs 32-bit addresses");
    const rm = vsib ? 4 : this.#register(1);
    const mod = random.below(3);
    const bytes = [(mod << 6) | (this.#reg() << 3) | rm];
    const wide = addressBits === 16 ? 2 : 4;
    let displacement = mod === 0 ? 0 : mod === 1 ? 1 : wide;
    if (addressBits === 16) {
      if (mod === 0 && rm === 6) displacement = wide;
    } else if (rm === 4) {
      const base = this.#register(2);
      const index = vsib ? random.below(8) : random.pick([0, 1, 2, 3, 5, 6, 7]);
      bytes.push((random.below(4) << 6) | (index << 3) | base);
      if (mod === 0 && base === 5) displacement = wide;
    } else if (mod === 0 && rm === 5) displacement = wide;
    this.displacementBytes = displacement;
    for (let k = 0; k < displacement; k++)
      bytes.push(k === 0 ? 1 + random.below(255) : random.below(256));
    return bytes;
  }

  /** VEX prefix, or mandatory prefix, REX and opcode map; then the opcode. */
  opcode(): number[] {
    const { row, rex, random } = this;
    if (row.vex !== undefined) return this.#vex(row.vex);
    const bytes: number[] = [];
    if (row.prefix !== undefined && row.prefix !== "NP")
      bytes.push(Number.parseInt(row.prefix, 16));
    // With a REX prefix, even of no bits, byte registers 4 to 7 are SPL to DIL.
    const isByte = row.hasModrm && row.operands.some(({ size }) => size === 1);
    if (rex !== 0 || (this.code === 64 && isByte && random.oneIn(2))) bytes.push(0x40 | rex);
    if (row.map >= 1) bytes.push(0x0f);
    if (row.map >= 2) bytes.push(row.map === 2 ? 0x38 : 0x3a);
    bytes.push(row.opcode);
    return bytes;
  }

  #vex({ length, w, usesVvvv }: NonNullable<Row["vex"]>): number[] {
    const { row, rex, random } = this;
    const l = length === "L0" ? 0 : length === "L1" ? 1 : random.below(2);
    const wide = w ?? (rex >> 3) & 1;
    const vvvv = usesVvvv ? random.below(this.code === 64 ? 16 : 8) : 0;
    const last = ((~vvvv & 15) << 3) | (l << 2) | MANDATORY[row.prefix ?? "NP"];
    const map = row.map - 4;
    if (map === 1 && wide === 0 && (rex & 3) === 0 && random.oneIn(2))
      return [0xc5, ((~rex & 4) << 5) | last, row.opcode];
    return [0xc4, ((~rex & 7) << 5) | map, (wide << 7) | last, row.opcode];
  }
}

function immediateBytes(spec: OperandSpec, bits: number): number {
  switch (spec.size) {
    case "v":
      return bits / 8;
    case "z":
      return Math.min(bits / 8, 4);
    default:
      return typeof spec.size === "number" ? spec.size : 4;
  }
}

/**
 * A random encoding of a table row in a code size: operand and address sizes, segment overrides,
 * LOCK and REP where they are allowed, registers, every way to address memory, immediates. Zero
 * displacements, and SIB bytes that say nothing, are left out.
 *
 * @returns undefined if the row has none in this code size
 */
export function encode(
  row: Row,
  random: Random,
  code: Bits,
  /** Segment prefixes to choose from. */
  overrides: readonly number[] = code === 64 ? FS_GS : ANY_SEGMENT,
): Encoded | undefined {
  const { options, operands } = row;
  if (code === 64 ? options.no64 : options.only64) return undefined;
  if (code === 16 && row.vex !== undefined) return undefined;
  const encoding = new Encoding(row, random, code);
  const sizes = operands.map(({ size }) => size);
  const isSized = sizes.some((size) => size === "v" || size === "z" || size === "p");
  const isFixed64 = code === 64 && options.force64 === true;
  // Instructions without operands may still have a size.
  const operandPrefix =
    row.vex === undefined &&
    row.prefix === undefined &&
    (isSized || (operands.length === 0 && row.map === 0)) &&
    !isFixed64 &&
    random.oneIn(3);
  if (
    code === 64 &&
    !operandPrefix &&
    !(options.default64 || options.force64) &&
    (isSized || operands.length === 0 || sizes.includes("y")) &&
    random.oneIn(2)
  )
    encoding.rex = 8;
  const is64 = encoding.rex === 8 || isFixed64 || (code === 64 && options.default64);
  const bits = is64 && !operandPrefix ? 64 : (code === 16) !== operandPrefix ? 16 : 32;
  const memory =
    row.hasModrm && row.form !== "reg" && row.rm < 0 && (row.form === "mem" || random.oneIn(2));
  const mayPrefixAddress = !(encoding.has("vm") && code === 32);
  const addressPrefix =
    mayPrefixAddress && (memory || encoding.has("X", "Y", "O", "J", "K")) && random.oneIn(4);
  const addressBits = addressPrefix ? (code === 32 ? 16 : 32) : code;

  const bytes: number[] = [];
  if ((memory || encoding.has("O", "X", "K")) && random.oneIn(3))
    bytes.push(random.pick(overrides));
  if (addressPrefix) bytes.push(0x67);
  if (options.lock && memory && random.oneIn(2)) bytes.push(0xf0);
  if (options.repeats && random.oneIn(2)) {
    const compares = row.mnemonic === "CMPS" || row.mnemonic === "SCAS";
    bytes.push(compares && random.oneIn(2) ? 0xf2 : 0xf3);
  }
  if (operandPrefix) bytes.push(0x66);
  if (encoding.has("Z") && code === 64 && !options.notRexB && random.oneIn(2)) encoding.rex |= 1;
  const modrm = !row.hasModrm ? [] : memory ? encoding.memory(addressBits) : encoding.registers();
  bytes.push(...encoding.opcode(), ...modrm);
  let { displacementBytes } = encoding;
  let displacementAt = bytes.length - displacementBytes;
  const immediateAt = bytes.length;
  for (const spec of operands) {
    let count = 0;
    if ("ISJ".includes(spec.method)) count = immediateBytes(spec, bits);
    else if (spec.method === "L") count = 1;
    else if (spec.method === "A") count = 2 + bits / 8;
    else if (spec.method === "O") {
      count = displacementBytes = addressBits / 8;
      displacementAt = bytes.length;
    }
    for (; count > 0; count--)
      bytes.push(random.oneIn(4) ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : random.below(256));
  }
  return { bytes, displacementAt, displacementBytes, immediateAt };
}

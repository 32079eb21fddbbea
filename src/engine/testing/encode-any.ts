import type { OperandMethod, Row } from "../x86/row.ts";
import { type Choose, immediateBytes, pick } from "./encode.ts";

const MANDATORY = { NP: 0, "66": 1, F3: 2, F2: 3 };

/** One encoding in the making. */
class Encoding {
  readonly row: Row;
  readonly choose: Choose;
  readonly code: 16 | 32 | 64;
  rex = 0;

  constructor(row: Row, choose: Choose, code: 16 | 32 | 64) {
    this.row = row;
    this.choose = choose;
    this.code = code;
  }

  has(...methods: OperandMethod[]): boolean {
    return this.row.operands.some(({ method }) => methods.includes(method));
  }

  /** Low bits of a register number; `bit` of REX may extend it. */
  private register(bit: number): number {
    if (this.code === 64 && this.choose(2) === 0) this.rex |= bit;
    return this.choose(8);
  }

  private reg(): number {
    if (this.row.reg >= 0) return this.row.reg;
    if (this.has("seg")) return this.choose(6);
    if (this.has("C")) return pick(this.choose, [0, 2, 3, 4]);
    if (this.has("D")) return this.choose(8);
    return this.register(this.has("P") ? 0 : 4);
  }

  /** ModRM that names registers. */
  registers(): number[] {
    const { rm } = this.row;
    return [0xc0 | (this.reg() << 3) | (rm >= 0 ? rm : this.register(this.has("Q", "N") ? 0 : 1))];
  }

  /** ModRM, SIB and displacement of any memory operand. */
  memory(addressBits: number): number[] {
    const vsib = this.has("vm");
    const rm = vsib ? 4 : this.register(1);
    const mod = this.choose(3);
    const bytes = [(mod << 6) | (this.reg() << 3) | rm];
    const wide = addressBits === 16 ? 2 : 4;
    let displacement = mod === 0 ? 0 : mod === 1 ? 1 : wide;
    if (addressBits === 16) {
      if (mod === 0 && rm === 6) displacement = wide;
    } else if (rm === 4) {
      const base = this.register(2);
      bytes.push(
        (this.choose(4) << 6) |
          (pick(this.choose, [0, 1, 2, 3, vsib ? 4 : 7, 5, 6, 7]) << 3) |
          base,
      );
      if (mod === 0 && base === 5) displacement = wide;
    } else if (mod === 0 && rm === 5) displacement = wide;
    for (let k = 0; k < displacement; k++)
      bytes.push(k === 0 ? 1 + this.choose(255) : this.choose(256));
    return bytes;
  }

  /** VEX prefix of three bytes, or mandatory prefix, REX and opcode map; then the opcode. */
  opcode(): number[] {
    const { row, rex } = this;
    if (row.vex !== undefined) {
      const register = row.vex.usesVvvv ? this.choose(this.code === 64 ? 16 : 8) : 0;
      const { length, w = (rex >> 3) & 1 } = row.vex;
      const l = length === "L1" || (length === "any" && this.choose(2) === 0) ? 4 : 0;
      const third = (w << 7) | ((~register & 15) << 3) | l | MANDATORY[row.prefix ?? "NP"];
      return [0xc4, ((~rex & 7) << 5) | (row.map - 4), third, row.opcode];
    }
    const bytes: number[] = [];
    if (row.prefix !== undefined && row.prefix !== "NP")
      bytes.push(Number.parseInt(row.prefix, 16));
    // With a REX prefix, even of no bits, byte registers 4 to 7 are SPL to DIL.
    const isByte = row.hasModrm && row.operands.some(({ size }) => size === 1);
    if (rex !== 0 || (this.code === 64 && isByte && this.choose(2) === 0)) bytes.push(0x40 | rex);
    if (row.map >= 1) bytes.push(0x0f);
    if (row.map >= 2) bytes.push(row.map === 2 ? 0x38 : 0x3a);
    bytes.push(row.opcode);
    return bytes;
  }
}

/**
 * A random encoding of a table row in any code size, with every way to address memory: for
 * decoding and disassembly, as it cannot be executed safely. Zero displacements and SIB bytes
 * that say nothing are left out.
 *
 * @returns undefined if the row has none in this code size
 */
export function encodeAny(row: Row, choose: Choose, code: 16 | 32 | 64): number[] | undefined {
  const { options, operands } = row;
  if (code === 64 ? options.no64 : options.only64) return undefined;
  if (code === 16 && (options.protectedOnly || row.map >= 4)) return undefined;
  const encoding = new Encoding(row, choose, code);
  const sizes = operands.map(({ size }) => size);
  const isSized = sizes.some((size) => size === "v" || size === "z" || size === "p");
  const isFixed64 = code === 64 && options.force64 === true;
  // Instructions without operands may still have a size.
  const operandPrefix =
    row.map < 4 &&
    row.prefix === undefined &&
    (isSized || (operands.length === 0 && row.map === 0)) &&
    !isFixed64 &&
    choose(3) === 0;
  if (
    code === 64 &&
    !operandPrefix &&
    !(options.default64 || options.force64) &&
    (isSized || operands.length === 0 || sizes.includes("y")) &&
    choose(2) === 0
  )
    encoding.rex = 8;
  const is64 = encoding.rex === 8 || isFixed64 || (code === 64 && options.default64);
  const bits = is64 && !operandPrefix ? 64 : (code === 16) !== operandPrefix ? 16 : 32;
  const memory =
    row.hasModrm && row.form !== "reg" && row.rm < 0 && (row.form === "mem" || choose(2) === 0);
  const gathers = encoding.has("vm");
  const addressPrefix =
    !(gathers && code !== 64) && (memory || encoding.has("X", "Y", "O", "J")) && choose(4) === 0;
  const addressBits = addressPrefix ? (code === 32 ? 16 : 32) : code;

  const bytes: number[] = [];
  const segment = memory || encoding.has("O", "X") ? [0x64, 0x65][choose(5)] : undefined;
  if (segment !== undefined) bytes.push(segment);
  if (addressPrefix) bytes.push(0x67);
  if (options.lock && memory && choose(2) === 0) bytes.push(0xf0);
  if (options.repeats && choose(2) === 0) {
    const compares = row.mnemonic === "CMPS" || row.mnemonic === "SCAS";
    bytes.push(compares && choose(2) === 0 ? 0xf2 : 0xf3);
  }
  if (operandPrefix) bytes.push(0x66);
  if (encoding.has("Z") && code === 64 && choose(2) === 0) encoding.rex |= 1;
  const modrm = !row.hasModrm ? [] : memory ? encoding.memory(addressBits) : encoding.registers();
  bytes.push(...encoding.opcode(), ...modrm);
  for (const spec of operands) {
    let count = 0;
    if (spec.method === "L") bytes.push(choose(code === 64 ? 16 : 8) << 4);
    if ("ISJ".includes(spec.method)) count = immediateBytes(spec, bits);
    else if (spec.method === "A") count = 2 + bits / 8;
    else if (spec.method === "O") count = addressBits / 8;
    for (; count > 0; count--)
      bytes.push(choose(4) === 0 ? pick(choose, [0, 1, 0x7f, 0x80, 0xff]) : choose(256));
  }
  return bytes;
}

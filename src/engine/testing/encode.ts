import type { OperandSpec, Row } from "../x86/row.ts";

/** Source of test choices: an integer from 0 to `below` - 1. */
export type Choose = (below: number) => number;

/** A deterministic generator of 32-bit numbers (xorshift), for tests and fuzzing. */
export function seeded(seed: number): Choose {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export interface EncodingLimits {
  /** Registers that may be operands, by number. */
  readonly registers: readonly number[];
  /** Registers that point to memory, for memory operands without index. */
  readonly pointers: readonly number[];
  /** Largest displacement from them. */
  readonly displacement: number;
}

export function pick<T>(choose: Choose, from: readonly T[]): T {
  return from[choose(from.length)] as T;
}

export function immediateBytes(spec: OperandSpec, bits: number): number {
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
 * A random 64-bit-mode encoding of a table row: operand size, registers or
 * memory, immediates. undefined: the row has none (not valid in 64-bit mode).
 */
export function encodeRow(row: Row, choose: Choose, limits: EncodingLimits): number[] | undefined {
  if (row.options.no64) return undefined;
  const code: number[] = [];
  const sized =
    row.operands.some(({ size }) => size === "v" || size === "z" || size === "y") ||
    row.operands.length === 0;
  let bits = 32;
  let rex = 0;
  if (row.map >= 4) return encodeVex(row, choose, limits);
  if (sized && row.prefix !== "66") {
    const size = choose(3);
    if (size === 0 && row.prefix === undefined) {
      code.push(0x66);
      bits = 16;
    } else if (size === 1) {
      rex |= 0x48;
      bits = 64;
    }
  }
  if (row.options.default64 || row.options.force64)
    bits = bits === 16 && !row.options.force64 ? 16 : 64;
  if (row.prefix !== undefined && row.prefix !== "NP") code.push(Number.parseInt(row.prefix, 16));
  const register = (): number => pick(choose, limits.registers);
  const reg = row.reg >= 0 ? row.reg : register();
  const memory = row.form === "mem" || (row.form === "any" && row.hasModrm && choose(2) === 0);
  const rm = row.rm >= 0 ? row.rm : memory ? pick(choose, limits.pointers) : register();
  let opcode = row.opcode;
  if (row.operands.some(({ method }) => method === "Z")) {
    const number = register();
    opcode = (opcode & ~7) | (number & 7);
    if (opcode !== row.opcode) return undefined;
    if (number & 8) rex |= 0x41;
  }
  if (reg & 8) rex |= 0x44;
  if (rm & 8) rex |= 0x41;
  if (choose(4) === 0) rex |= 0x40;
  if (rex !== 0) code.push(rex);
  if (row.map >= 1) code.push(0x0f);
  if (row.map === 2) code.push(0x38);
  if (row.map === 3) code.push(0x3a);
  code.push(opcode);
  if (row.hasModrm) {
    if (memory) code.push(0x40 | ((reg & 7) << 3) | (rm & 7), choose(limits.displacement + 1));
    else code.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
  }
  for (const spec of row.operands) {
    if (spec.method === "I" || spec.method === "S")
      for (let k = immediateBytes(spec, bits); k > 0; k--)
        code.push(choose(4) === 0 ? pick(choose, [0, 1, 0x7f, 0x80, 0xff]) : choose(256));
    else if ("JAO".includes(spec.method)) return undefined;
  }
  return code;
}

/** A random encoding with a VEX prefix of two or three bytes. */
function encodeVex(row: Row, choose: Choose, limits: EncodingLimits): number[] {
  const code: number[] = [];
  const register = (): number => pick(choose, limits.registers);
  const reg = row.reg >= 0 ? row.reg : register();
  const gathers = row.operands.some(({ method }) => method === "vm");
  const memory = row.form === "mem" || (row.form === "any" && choose(2) === 0);
  const rm = memory ? pick(choose, limits.pointers) : register();
  const vvvv = row.vex?.usesVvvv ? register() : 0;
  const w = row.vex?.w ?? choose(2);
  const length = row.vex?.length;
  const l = length === "L0" ? 0 : length === "L1" ? 1 : choose(2);
  const pp = { NP: 0, "66": 1, F3: 2, F2: 3 }[row.prefix ?? "NP"];
  const index = gathers ? register() : 0;
  const second = (reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (rm & 8 ? 0 : 0x20);
  const third = ((~vvvv & 15) << 3) | (l << 2) | pp;
  // Two bytes say all if only VEX.R is not the usual.
  if (row.map === 5 && w === 0 && (second & 0x60) === 0x60 && choose(2) === 0)
    code.push(0xc5, (second & 0x80) | third);
  else code.push(0xc4, second | (row.map - 4), (w << 7) | third);
  code.push(row.opcode);
  if (!row.hasModrm) return code;
  if (gathers)
    code.push(
      0x44 | ((reg & 7) << 3),
      (choose(3) << 6) | ((index & 7) << 3) | (rm & 7),
      choose(limits.displacement + 1),
    );
  else if (memory) code.push(0x40 | ((reg & 7) << 3) | (rm & 7), choose(limits.displacement + 1));
  else code.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
  if (row.operands.some(({ method }) => method === "I" || method === "L")) code.push(choose(256));
  return code;
}

import type { Decoded } from "./decoder.ts";
import { codeBits } from "./mode.ts";
import { type MemoryOperand, type Operand, type RegisterOperand, RIP_BASE } from "./operand.ts";
import { CR0, DR, GPR, SEGMENT_BYTES, SEGMENTS, SS, X87, XMM } from "./state.ts";

/** Words of a record before its operands: template slot, then position and length. */
export const RECORD_HEADER_WORDS = 2;

/** Byte offset of a register operand in the state. */
export function registerOffset(operand: RegisterOperand): number {
  switch (operand.file) {
    case "general":
      return GPR + operand.index * 8 + (operand.high ? 1 : 0);
    case "xmm":
      return XMM + operand.index * 16;
    case "mmx":
      return X87 + operand.index * 16;
    case "segment":
      return SEGMENTS + operand.index * SEGMENT_BYTES;
    case "control":
      return CR0 + operand.index * 8;
    case "debug":
      return DR + operand.index * 8;
  }
}

/** Whether a memory operand's segment needs attention: always outside 64-bit mode, FS and GS in it. */
export function isSegmented(operand: MemoryOperand, mode: number): boolean {
  return codeBits(mode) !== 64 || operand.segment >= 4;
}

/** An address by RSP or RBP faults as #SS if it is not canonical, which is part of the template. */
function baseShape({ base, segment }: MemoryOperand): number {
  if (base === RIP_BASE) return 2;
  if (base < 0) return 0;
  return segment === SS ? 3 : 1;
}

export function isWide(displacement: bigint): boolean {
  return BigInt.asIntN(32, displacement) !== displacement;
}

/**
 * What of a memory operand belongs to the template rather than to the record.
 * Equal shapes share one template; 6 bits, never 0.
 */
export function memoryShape(operand: MemoryOperand, mode: number): number {
  return (
    8 |
    baseShape(operand) |
    (operand.index >= 0 ? 4 : 0) |
    (isSegmented(operand, mode) ? 16 : 0) |
    (isWide(operand.displacement) ? 32 : 0)
  );
}

/** Whether a record's last word is ModRM: an x87 instruction remembers its opcode, the operand's mod and r/m included. */
export function keepsModrm({ row, modrm }: Decoded): boolean {
  return row.options.unit === "x87" && modrm < 0xc0 && row.hasModrm;
}

/**
 * Append an operand's record words, in the order in which {@link Instruction}
 * counts them. `offset` is the instruction's distance from the block's start.
 */
export function operandWords(
  operand: Operand,
  decoded: Decoded,
  offset: number,
  words: number[],
): void {
  switch (operand.kind) {
    case "register":
      if (!operand.fixed) words.push(registerOffset(operand));
      return;
    case "memory": {
      if (operand.base >= 0 && operand.base !== RIP_BASE) words.push(GPR + operand.base * 8);
      if (operand.vsib) words.push(XMM + operand.index * 16, operand.shift);
      else if (operand.index >= 0) words.push(GPR + operand.index * 8, operand.shift);
      const displacement = operand.displacement + (operand.base === RIP_BASE ? BigInt(offset) : 0n);
      words.push(Number(BigInt.asIntN(32, displacement)));
      if (isWide(operand.displacement))
        words.push(Number(BigInt.asIntN(32, operand.displacement >> 32n)));
      if (isSegmented(operand, decoded.mode))
        words.push(SEGMENTS + operand.segment * SEGMENT_BYTES);
      return;
    }
    case "immediate":
      words.push(Number(BigInt.asIntN(32, operand.value)));
      if (operand.bytes === 8) words.push(Number(BigInt.asIntN(32, operand.value >> 32n)));
      return;
    case "relative": {
      const next = offset + decoded.length;
      words.push(next + operand.delta, 0, next, 0);
      return;
    }
    case "far":
      words.push(operand.offset | 0, operand.selector);
      return;
  }
}

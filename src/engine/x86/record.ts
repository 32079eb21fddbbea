import type { Decoded } from "./decoder.ts";
import { codeBits } from "./mode.ts";
import { type MemoryOperand, type Operand, type RegisterOperand, RIP_BASE } from "./operand.ts";
import { CR0, DR, GPR, SEGMENT_BYTES, SEGMENTS, SS, X87, XMM } from "./state.ts";

/** Words of a record before its operands: template slot, then position and length. */
export const RECORD_HEADER_WORDS = 2;

/** There is no CR1. */
const controlOffset = (index: number): number => (index === 0 ? CR0 : CR0 + (index - 1) * 8);

/** What a record has for CR8, which does not stand in the state. */
export const CR8_PLACE = controlOffset(8);

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
      return controlOffset(operand.index);
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

/** Whether a displacement takes two words: one by RIP also if it may not fit once it counts from a block's start. */
export function isWide({ base, displacement, displacementHigh }: MemoryOperand): boolean {
  return (
    displacementHigh !== displacement >> 31 || (base === RIP_BASE && displacement > 0x7fff_0000)
  );
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
    (isWide(operand) ? 32 : 0)
  );
}

/** Whether a record's last word is ModRM: an x87 instruction remembers its opcode, the operand's mod and r/m included. */
export function keepsModrm({ row, modrm }: Decoded): boolean {
  return row.options.unit === "x87" && modrm < 0xc0 && row.hasModrm;
}

/**
 * Write an operand's record words, in the order in which {@link Instruction} counts them.
 * @param offset the instruction's distance from the block's start
 * @param at index of its first word
 * @returns the index behind its last word
 */
export function operandWords(
  operand: Operand,
  decoded: Decoded,
  offset: number,
  words: { [index: number]: number },
  at: number,
): number {
  let next = at;
  switch (operand.kind) {
    case "register":
      if (!operand.fixed) words[next++] = registerOffset(operand);
      return next;
    case "memory": {
      const { base, index, displacement } = operand;
      if (base >= 0 && base !== RIP_BASE) words[next++] = GPR + base * 8;
      if (operand.vsib || index >= 0) {
        words[next++] = operand.vsib ? XMM + index * 16 : GPR + index * 8;
        words[next++] = operand.shift;
      }
      words[next++] = base === RIP_BASE ? (displacement + offset) | 0 : displacement;
      if (isWide(operand)) words[next++] = operand.displacementHigh;
      if (isSegmented(operand, decoded.mode))
        words[next++] = SEGMENTS + operand.segment * SEGMENT_BYTES;
      return next;
    }
    case "immediate":
      words[next++] = operand.value;
      if (operand.bytes === 8) words[next++] = operand.valueHigh;
      return next;
    case "relative": {
      const end = offset + decoded.length;
      words[next] = end + operand.delta;
      words[next + 1] = 0;
      words[next + 2] = end;
      words[next + 3] = 0;
      return next + 4;
    }
    case "far":
      words[next] = operand.offset | 0;
      words[next + 1] = operand.selector;
      return next + 2;
  }
}

import type { Decoded } from "../x86/decoder.ts";
import { type MemoryOperand, RIP_BASE } from "../x86/operand.ts";
import { FS, GS } from "../x86/state.ts";
import { AT, type Case } from "./case.ts";
import { baseOf, CODE } from "./layout.ts";

/** Linear address of a memory operand, without the checks; the low 53 bits count. */
export function linearAddress(
  { addressBits }: Decoded,
  record: Case,
  operand: MemoryOperand,
): number {
  const { base, index, shift } = operand;
  let low = operand.displacement >>> 0;
  let high = operand.displacementHigh;
  const add = (lo: number, hi: number): void => {
    low += lo;
    high += hi;
  };
  if (base === RIP_BASE) {
    // The decoder has counted the instruction's own length already.
    add(CODE + record.start, 0);
  } else if (base >= 0) add(record.low(base), record.high(base));
  if (index >= 0 && !operand.vsib)
    add(record.low(index) * 2 ** shift, record.high(index) * 2 ** shift);
  high += Math.floor(low / 2 ** 32);
  low %= 2 ** 32;
  if (addressBits === 16) return (low & 0xffff) + baseOf(record.selector(operand.segment));
  if (addressBits === 32) high = 0;
  if (record.bits !== 64) return (low + baseOf(record.selector(operand.segment))) % 2 ** 32;
  high = (high % 2 ** 32) | 0;
  const at = operand.segment === FS ? AT.fsBase : operand.segment === GS ? AT.gsBase : -1;
  const segment =
    at < 0 ? 0 : record.view.getInt32(at + 4, true) * 2 ** 32 + record.view.getUint32(at, true);
  return high * 2 ** 32 + low + segment;
}

/** That of the only, or first, memory operand; undefined without one. */
export function operandAddress(decoded: Decoded, record: Case): number | undefined {
  for (const operand of decoded.operands)
    if (operand.kind === "memory") return linearAddress(decoded, record, operand);
  return undefined;
}

import type { Decoded } from "../x86/decoder.ts";
import type { Case } from "./case.ts";

export const CF = 1;
export const PF = 4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const OF = 0x800;
const ALL = CF | PF | AF | ZF | SF | OF;

type Mask = number | ((decoded: Decoded, before: Case) => number);

/** The count of a shift or rotation: last operand, an immediate or CL; as the CPU masks it. */
function count(decoded: Decoded, before: Case): number {
  const operand = decoded.operands.at(-1);
  const raw = operand?.kind === "immediate" ? operand.value : before.low(1);
  return raw & (decoded.operandBits === 64 && width(decoded) === 64 ? 63 : 31);
}

function width(decoded: Decoded): number {
  const [first] = decoded.operands;
  return first?.kind === "register" || first?.kind === "memory" ? first.bytes * 8 : 0;
}

/** "The OF flag is affected only for 1-bit shifts. AF is undefined for a non-zero count"; CF beyond the width. */
const shift: Mask = (decoded, before) => {
  const n = count(decoded, before);
  if (n === 0) return 0;
  const beyond = n >= width(decoded) && decoded.row.mnemonic !== "SAR" ? CF : 0;
  return AF | (n === 1 ? 0 : OF) | beyond;
};

/** "The OF flag is defined only for the 1-bit rotates; undefined in all other cases" but of 0. */
const rotate: Mask = (decoded, before) => (count(decoded, before) === 1 ? 0 : OF);

/** "If the count is greater than the operand size, the result [and flags] is undefined." */
const doubleShift: Mask = (decoded, before) => {
  const n = count(decoded, before);
  if (n === 0) return 0;
  if (n > width(decoded)) return ALL;
  return AF | (n === 1 ? 0 : OF);
};

/** Flags that the manual (Intel SDM vol. 2) leaves undefined after an instruction. */
const FLAGS: Readonly<Record<string, Mask>> = {
  ...{ AND: AF, OR: AF, XOR: AF, TEST: AF },
  ...{ MUL: SF | ZF | AF | PF, IMUL: SF | ZF | AF | PF },
  ...{ DIV: ALL, IDIV: ALL },
  ...{ SHL: shift, SHR: shift, SAR: shift },
  ...{ ROL: rotate, ROR: rotate, RCL: rotate, RCR: rotate },
  ...{ SHLD: doubleShift, SHRD: doubleShift },
  ...{ BT: OF | SF | AF | PF, BTS: OF | SF | AF | PF, BTR: OF | SF | AF | PF },
  ...{ BTC: OF | SF | AF | PF },
  ...{ BSF: ALL & ~ZF, BSR: ALL & ~ZF },
  ...{ TZCNT: OF | SF | AF | PF, LZCNT: OF | SF | AF | PF },
  ...{ ANDN: AF | PF, BLSR: AF | PF, BLSMSK: AF | PF, BLSI: AF | PF, BZHI: AF | PF },
  BEXTR: SF | AF | PF,
  ...{ AAA: OF | SF | ZF | PF, AAS: OF | SF | ZF | PF },
  ...{ AAD: OF | AF | CF, AAM: OF | AF | CF },
  ...{ DAA: OF, DAS: OF },
};

export function undefinedFlags(decoded: Decoded, before: Case): number {
  const mask = FLAGS[decoded.row.mnemonic] ?? 0;
  return typeof mask === "number" ? mask : mask(decoded, before);
}

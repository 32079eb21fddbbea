import { FLAGS_AUX, FLAGS_RESULT } from "../x86/state.ts";
import type { Lift } from "./lift.ts";
import type { Value } from "./micro-op.ts";

/**
 * Arithmetic flags in micro-operations. The state keeps them unevaluated (see
 * FLAGS_RESULT in state.ts): an operation stores its result and, for carry and
 * overflow, the two topmost bits of its carry-out vector.
 */

const CF = 0x8000_0000 | 0;
const PO = 0x4000_0000;
const AF = 8;

/** Bits 31:30 = the carry vector's two highest of `bits`, bit 3 = its bit 3. */
function auxOfCarries(l: Lift, carries: Value, bits: number): Value {
  if (bits === 64) {
    const top = l.op("i32.and", l.wrap(l.shrU(carries, l.i64(32))), l.i32(CF | PO));
    return l.op("i32.or", top, l.op("i32.and", l.wrap(carries), l.i32(AF)));
  }
  const low = l.wrap(carries);
  if (bits === 32) return l.op("i32.and", low, l.i32(CF | PO | AF));
  const top = l.op("i32.and", l.op("i32.shl", low, l.i32(32 - bits)), l.i32(CF | PO));
  return l.op("i32.or", top, l.op("i32.and", low, l.i32(AF)));
}

/** Carry-out of each bit of r = a + b (+ carry). */
function additionCarries(l: Lift, a: Value, b: Value, r: Value): Value {
  return l.or(l.and(a, b), l.and(l.or(a, b), l.not(r)));
}

/** Borrow-out of each bit of r = a - b (- borrow). */
function subtractionBorrows(l: Lift, a: Value, b: Value, r: Value): Value {
  const notA = l.not(a);
  return l.or(l.and(notA, b), l.and(l.or(notA, b), r));
}

function store(l: Lift, result: Value, aux: Value): void {
  l.storeState(FLAGS_RESULT, "i64", result);
  l.storeState(FLAGS_AUX, "i32", aux);
}

/** Flags of r = a + b or a + b + CF. Operands are zero-extended to 64 bits. */
export function setAddition(l: Lift, bits: number, a: Value, b: Value, r: Value): void {
  store(l, l.signExtend(r, bits), auxOfCarries(l, additionCarries(l, a, b, r), bits));
}

/** Flags of r = a - b or a - b - CF. */
export function setSubtraction(l: Lift, bits: number, a: Value, b: Value, r: Value): void {
  store(l, l.signExtend(r, bits), auxOfCarries(l, subtractionBorrows(l, a, b, r), bits));
}

/** Flags of a logical operation: CF, OF and (by choice; undefined) AF clear. */
export function setLogic(l: Lift, bits: number, r: Value): void {
  store(l, l.signExtend(r, bits), l.i32(0));
}

/** As addition or subtraction, but CF stays. */
function keepingCarry(l: Lift, bits: number, r: Value, carries: Value): void {
  const aux = auxOfCarries(l, carries, bits);
  const old = l.op("i32.and", l.loadState(FLAGS_AUX, "i32"), l.i32(CF));
  // OF = aux 31 xor aux 30 of the new vector; PO = CF xor OF.
  const overflow = l.op("i32.xor", l.op("i32.shr_u", aux, l.i32(1)), aux);
  const partial = l.op(
    "i32.and",
    l.op("i32.xor", overflow, l.op("i32.shr_u", old, l.i32(1))),
    l.i32(PO),
  );
  const kept = l.op("i32.or", old, partial);
  store(l, l.signExtend(r, bits), l.op("i32.or", kept, l.op("i32.and", aux, l.i32(AF))));
}

export function setIncrement(l: Lift, bits: number, a: Value, r: Value): void {
  keepingCarry(l, bits, r, additionCarries(l, a, l.i64(1), r));
}

export function setDecrement(l: Lift, bits: number, a: Value, r: Value): void {
  keepingCarry(l, bits, r, subtractionBorrows(l, a, l.i64(1), r));
}

/** Set ZF, SF, PF from the result and CF, OF, AF from i32 values of 0 or 1. */
export function setResultCarryOverflow(
  l: Lift,
  bits: number,
  r: Value,
  carry: Value,
  overflow: Value,
  adjust?: Value,
): void {
  store(l, l.signExtend(r, bits), auxOf(l, carry, overflow, adjust));
}

function auxOf(l: Lift, carry: Value, overflow: Value, adjust?: Value): Value {
  const top = l.op(
    "i32.or",
    l.op("i32.shl", carry, l.i32(31)),
    l.op("i32.shl", l.op("i32.xor", carry, overflow), l.i32(30)),
  );
  return adjust === undefined ? top : l.op("i32.or", top, l.op("i32.shl", adjust, l.i32(3)));
}

/** Change CF and OF only, from i32 values of 0 or 1. */
export function setCarryOverflow(l: Lift, carry: Value, overflow: Value): void {
  const rest = l.op("i32.and", l.loadState(FLAGS_AUX, "i32"), l.i32(~(CF | PO)));
  l.storeState(FLAGS_AUX, "i32", l.op("i32.or", rest, auxOf(l, carry, overflow)));
}

/** Change CF only. */
export function setCarry(l: Lift, carry: Value): void {
  setCarryOverflow(l, carry, flagO(l));
}

/**
 * Set all six arithmetic flags from the bits of an EFLAGS image (i32).
 * ZF, SF and PF need not fit together, as after POPF.
 */
export function setAll(l: Lift, eflags: Value): void {
  const bit = (n: number): Value => l.op("i32.and", l.op("i32.shr_u", eflags, l.i32(n)), l.i32(1));
  // A result of 0 or 0x100 has even parity and no sign; the deltas in aux say the rest.
  const result = l.extend(l.op("i32.shl", l.op("i32.xor", bit(6), l.i32(1)), l.i32(8)));
  const parity = l.op("i32.shl", l.op("i32.xor", bit(2), l.i32(1)), l.i32(8));
  const deltas = l.op("i32.or", parity, bit(7));
  store(l, result, l.op("i32.or", deltas, auxOf(l, bit(0), bit(11), bit(4))));
}

export function flagC(l: Lift): Value {
  return l.op("i32.shr_u", l.loadState(FLAGS_AUX, "i32"), l.i32(31));
}

export function flagO(l: Lift): Value {
  const aux = l.loadState(FLAGS_AUX, "i32");
  return l.op("i32.shr_u", l.op("i32.xor", aux, l.op("i32.shl", aux, l.i32(1))), l.i32(31));
}

export function flagZ(l: Lift): Value {
  return l.eqz(l.loadState(FLAGS_RESULT, "i64"));
}

export function flagS(l: Lift): Value {
  const sign = l.wrap(l.shrU(l.loadState(FLAGS_RESULT, "i64"), l.i64(63)));
  return l.op("i32.xor", sign, l.op("i32.and", l.loadState(FLAGS_AUX, "i32"), l.i32(1)));
}

export function flagP(l: Lift): Value {
  const low = l.wrap(l.loadState(FLAGS_RESULT, "i64"));
  const delta = l.op("i32.shr_u", l.loadState(FLAGS_AUX, "i32"), l.i32(8));
  const byte = l.op("i32.and", l.op("i32.xor", low, delta), l.i32(0xff));
  return l.op("i32.and", l.op("i32.xor", l.op("i32.popcnt", byte), l.i32(1)), l.i32(1));
}

export function flagA(l: Lift): Value {
  return l.op("i32.and", l.op("i32.shr_u", l.loadState(FLAGS_AUX, "i32"), l.i32(3)), l.i32(1));
}

/** The six flags as bits of an EFLAGS image (i32). */
export function arithmeticFlags(l: Lift): Value {
  const at = (value: Value, n: number): Value => l.op("i32.shl", value, l.i32(n));
  let image = flagC(l);
  for (const [flag, n] of [
    [flagP(l), 2],
    [flagA(l), 4],
    [flagZ(l), 6],
    [flagS(l), 7],
    [flagO(l), 11],
  ] as const)
    image = l.op("i32.or", image, at(flag, n));
  return image;
}

/** The condition of Jcc, SETcc, CMOVcc by its 4-bit code (SDM vol. 1, appendix B), as i32. */
export function condition(l: Lift, code: number): Value {
  const positive = (): Value => {
    switch (code >> 1) {
      case 0:
        return flagO(l);
      case 1:
        return flagC(l);
      case 2:
        return flagZ(l);
      case 3:
        return l.op("i32.or", flagC(l), flagZ(l));
      case 4:
        return flagS(l);
      case 5:
        return flagP(l);
      case 6:
        return l.op("i32.xor", flagS(l), flagO(l));
      default:
        return l.op("i32.or", flagZ(l), l.op("i32.xor", flagS(l), flagO(l)));
    }
  };
  const value = positive();
  return code & 1 ? l.op("i32.eqz", value) : value;
}

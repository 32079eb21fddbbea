import { FLAGS_AUX, FLAGS_RESULT } from "../x86/state.ts";
import type { Lift } from "./lift.ts";
import type { Value } from "./micro-op.ts";

/**
 * Arithmetic flags in micro-operations. The state keeps them unevaluated (see
 * FLAGS_RESULT in state.ts): an operation stores its result and, for carry and
 * overflow, the two topmost bits of its carry-out vector. Who lifts may also
 * hold on to the effect itself, and let conditions be computed from that.
 */

/** What an instruction did to the arithmetic flags. Operands and result are zero-extended to 64 bits. */
export type FlagEffect =
  | {
      /** r = a + b or a - b; `carried`: plus or minus CF as well. */
      readonly kind: "addition" | "subtraction";
      readonly bits: number;
      readonly a: Value;
      readonly b: Value;
      readonly r: Value;
      readonly carried: boolean;
    }
  /** CF and OF clear; AF, undefined, too. */
  | { readonly kind: "logic"; readonly bits: number; readonly r: Value }
  /** Two floating-point numbers, neither a NaN, were compared: ZF = equal, CF = less, the others clear. */
  | { readonly kind: "comparison"; readonly a: Value; readonly b: Value }
  /** What the state is to hold. */
  | { readonly kind: "stored"; readonly result: Value; readonly aux: Value };

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

type Comparison = Extract<FlagEffect, { kind: "comparison" }>;

/** Whether a compares so with b (i32). */
function relation(l: Lift, name: "eq" | "ne" | "lt" | "le", { a, b }: Comparison): Value {
  return l.op(`${a.type}.${name}`, a, b);
}

/** FLAGS_RESULT after an effect. */
export function resultOf(l: Lift, effect: FlagEffect): Value {
  switch (effect.kind) {
    case "stored":
      return effect.result;
    case "comparison":
      return l.extend(l.op("i32.shl", relation(l, "ne", effect), l.i32(8)));
    default:
      return l.signExtend(effect.r, effect.bits);
  }
}

/** FLAGS_AUX after an effect. */
export function auxOfEffect(l: Lift, effect: FlagEffect): Value {
  switch (effect.kind) {
    case "addition":
      return auxOfCarries(l, additionCarries(l, effect.a, effect.b, effect.r), effect.bits);
    case "subtraction":
      return auxOfCarries(l, subtractionBorrows(l, effect.a, effect.b, effect.r), effect.bits);
    case "logic":
      return l.i32(0);
    case "comparison":
      // The result's parity is even.
      return l.select(relation(l, "lt", effect), l.i32(CF | PO | 0x100), l.i32(0x100));
    case "stored":
      return effect.aux;
  }
}

function store(l: Lift, result: Value, aux: Value): void {
  l.setFlags({ kind: "stored", result, aux });
}

/** Flags of r = a + b, or a + b + CF if `carried`. */
export function setAddition(
  l: Lift,
  bits: number,
  a: Value,
  b: Value,
  r: Value,
  carried = false,
): void {
  l.setFlags({ kind: "addition", bits, a, b, r, carried });
}

/** Flags of r = a - b, or a - b - CF if `carried`. */
export function setSubtraction(
  l: Lift,
  bits: number,
  a: Value,
  b: Value,
  r: Value,
  carried = false,
): void {
  l.setFlags({ kind: "subtraction", bits, a, b, r, carried });
}

/** Flags of a comparison of two floating-point numbers, neither a NaN. */
export function setComparison(l: Lift, a: Value, b: Value): void {
  l.setFlags({ kind: "comparison", a, b });
}

/** Flags of a logical operation: CF, OF and (by choice; undefined) AF clear. */
export function setLogic(l: Lift, bits: number, r: Value): void {
  l.setFlags({ kind: "logic", bits, r });
}

/** As addition or subtraction, but CF stays. */
function keepingCarry(l: Lift, bits: number, r: Value, carries: Value): void {
  const aux = auxOfCarries(l, carries, bits);
  const old = l.op("i32.shl", flagC(l), l.i32(31));
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
  const rest = l.op("i32.and", aux(l), l.i32(~(CF | PO)));
  store(l, result(l), l.op("i32.or", rest, auxOf(l, carry, overflow)));
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

function result(l: Lift): Value {
  const effect = l.flagEffect;
  return effect === undefined ? l.loadState(FLAGS_RESULT, "i64") : resultOf(l, effect);
}

function aux(l: Lift): Value {
  const effect = l.flagEffect;
  return effect === undefined ? l.loadState(FLAGS_AUX, "i32") : auxOfEffect(l, effect);
}

export function flagC(l: Lift): Value {
  const effect = l.flagEffect;
  if (effect !== undefined) {
    if (effect.kind === "logic") return l.i32(0);
    if (effect.kind === "comparison") return relation(l, "lt", effect);
    if (effect.kind === "subtraction" && !effect.carried) return l.ltU(effect.a, effect.b);
    if (effect.kind === "addition" && !effect.carried) return l.ltU(effect.r, effect.a);
  }
  return l.op("i32.shr_u", aux(l), l.i32(31));
}

export function flagO(l: Lift): Value {
  const { kind } = l.flagEffect ?? {};
  if (kind === "logic" || kind === "comparison") return l.i32(0);
  const word = aux(l);
  return l.op("i32.shr_u", l.op("i32.xor", word, l.op("i32.shl", word, l.i32(1))), l.i32(31));
}

export function flagZ(l: Lift): Value {
  const effect = l.flagEffect;
  if (effect?.kind === "subtraction" && !effect.carried) return l.eq(effect.a, effect.b);
  if (effect === undefined || effect.kind === "stored") return l.eqz(result(l));
  if (effect.kind === "comparison") return relation(l, "eq", effect);
  return l.eqz(effect.r);
}

export function flagS(l: Lift): Value {
  const effect = l.flagEffect;
  if (effect?.kind === "comparison") return l.i32(0);
  if (effect !== undefined && effect.kind !== "stored")
    return l.op("i64.lt_s", resultOf(l, effect), l.i64(0));
  const sign = l.wrap(l.shrU(result(l), l.i64(63)));
  return l.op("i32.xor", sign, l.op("i32.and", aux(l), l.i32(1)));
}

export function flagP(l: Lift): Value {
  const effect = l.flagEffect;
  if (effect?.kind === "comparison") return l.i32(0);
  const plain = effect !== undefined && effect.kind !== "stored";
  let byte = l.wrap(result(l));
  if (!plain) byte = l.op("i32.xor", byte, l.op("i32.shr_u", aux(l), l.i32(8)));
  byte = l.op("i32.and", byte, l.i32(0xff));
  return l.op("i32.and", l.op("i32.xor", l.op("i32.popcnt", byte), l.i32(1)), l.i32(1));
}

export function flagA(l: Lift): Value {
  return l.op("i32.and", l.op("i32.shr_u", aux(l), l.i32(3)), l.i32(1));
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

/** "Less" and "less or equal" as one comparison, if the effect tells; see {@link condition}. */
function signedComparison(l: Lift, orEqual: boolean): Value | undefined {
  const effect = l.flagEffect;
  if (effect?.kind === "logic")
    return l.op(orEqual ? "i64.le_s" : "i64.lt_s", resultOf(l, effect), l.i64(0));
  if (effect?.kind !== "subtraction" || effect.carried) return undefined;
  const { a, b, bits } = effect;
  return l.op(orEqual ? "i64.le_s" : "i64.lt_s", l.signExtend(a, bits), l.signExtend(b, bits));
}

function belowOrEqual(l: Lift): Value {
  const effect = l.flagEffect;
  if (effect?.kind === "subtraction" && !effect.carried)
    return l.op("i64.le_u", effect.a, effect.b);
  if (effect?.kind === "comparison") return relation(l, "le", effect);
  return l.op("i32.or", flagC(l), flagZ(l));
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
        return belowOrEqual(l);
      case 4:
        return flagS(l);
      case 5:
        return flagP(l);
      case 6:
        return signedComparison(l, false) ?? l.op("i32.xor", flagS(l), flagO(l));
      default:
        return (
          signedComparison(l, true) ?? l.op("i32.or", flagZ(l), l.op("i32.xor", flagS(l), flagO(l)))
        );
    }
  };
  const value = positive();
  return code & 1 ? l.op("i32.eqz", value) : value;
}

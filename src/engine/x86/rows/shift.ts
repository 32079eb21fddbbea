import { flagC, setCarryOverflow, setResultCarryOverflow } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";

/** Shifts and rotates. A masked count of 0 leaves the flags alone. */

/** Result and the new CF and OF (i32, 0 or 1) of a shift by `count` (1 .. bits or more). */
interface Shifted {
  readonly result: Value;
  readonly carry: Value;
  readonly overflow: Value;
}

function bit(i: Instruction, value: Value, position: Value): Value {
  return i.wrap(i.and(i.shrU(value, position), i.i64(1)));
}

function top(i: Instruction, value: Value, bits: number): Value {
  return bit(i, value, i.i64(bits - 1));
}

/** The count operand masked to 5 bits, or 6 with 64-bit operands. */
function maskedCount(i: Instruction, index: number, bits: number): Value {
  return i.and(i.read(index), i.i64(bits === 64 ? 63 : 31));
}

function shiftLeft(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const wide = i.shl(a, count);
  const result = i.truncate(wide, bits);
  const carry = bits === 64 ? bit(i, a, i.sub(i.i64(64), count)) : bit(i, wide, i.i64(bits));
  return { result, carry, overflow: i.op("i32.xor", carry, top(i, result, bits)) };
}

function shiftRight(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const before = i.shrU(a, i.sub(count, i.i64(1)));
  const result = i.shrU(a, count);
  return { result, carry: bit(i, before, i.i64(0)), overflow: top(i, before, bits) };
}

function shiftArithmetic(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const signed = i.signExtend(a, bits);
  const before = i.shrS(signed, i.sub(count, i.i64(1)));
  const result = i.truncate(i.shrS(signed, count), bits);
  return { result, carry: bit(i, before, i.i64(0)), overflow: i.i32(0) };
}

function shift(
  operation: (i: Instruction, bits: number, a: Value, count: Value) => Shifted,
): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.update(0);
    const count = maskedCount(i, 1, bits);
    const { result, carry, overflow } = operation(i, bits, a, count);
    i.write(0, result);
    i.if(i.ne(count, i.i64(0)), () => setResultCarryOverflow(i, bits, result, carry, overflow));
  };
}

/** Rotates change CF and OF only. `period`: the count is taken modulo it. */
function rotate(
  operation: (i: Instruction, bits: number, a: Value, count: Value) => Shifted,
  period: (bits: number) => number,
  flagsIfZero: boolean,
): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.update(0);
    const masked = maskedCount(i, 1, bits);
    const modulus = period(bits);
    const count =
      modulus >= 64 || modulus === 33 ? masked : i.op("i64.rem_u", masked, i.i64(modulus));
    const { result, carry, overflow } = operation(i, bits, a, count);
    i.write(0, modulus === bits ? result : i.select(i.eqz(count), a, result));
    i.if(i.ne(flagsIfZero ? masked : count, i.i64(0)), () => setCarryOverflow(i, carry, overflow));
  };
}

/** A rotated value of 32 or 64 bits, as WebAssembly has them. */
export function rotated(
  i: Instruction,
  direction: "rotl" | "rotr",
  bits: number,
  a: Value,
  count: Value,
): Value | undefined {
  if (bits === 64) return i.op(`i64.${direction}`, a, count);
  return bits === 32 ? i.extend(i.op(`i32.${direction}`, i.wrap(a), i.wrap(count))) : undefined;
}

function rotateLeft(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const result =
    rotated(i, "rotl", bits, a, count) ??
    i.truncate(i.or(i.shl(a, count), i.shrU(a, i.sub(i.i64(bits), count))), bits);
  const carry = bit(i, result, i.i64(0));
  return { result, carry, overflow: i.op("i32.xor", carry, top(i, result, bits)) };
}

function rotateRight(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const result =
    rotated(i, "rotr", bits, a, count) ??
    i.truncate(i.or(i.shrU(a, count), i.shl(a, i.sub(i.i64(bits), count))), bits);
  const carry = top(i, result, bits);
  return { result, carry, overflow: i.op("i32.xor", carry, bit(i, result, i.i64(bits - 2))) };
}

function rotateLeftCarry(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const carryIn = i.shl(i.extend(flagC(i)), i.sub(count, i.i64(1)));
  // a >> (bits + 1 - count), in two steps because a shift by 64 would be one by 0
  const around = i.shrU(i.shrU(a, i.i64(1)), i.sub(i.i64(bits), count));
  const result = i.truncate(i.or(i.or(i.shl(a, count), carryIn), around), bits);
  const carry = bit(i, a, i.sub(i.i64(bits), count));
  return { result, carry, overflow: i.op("i32.xor", carry, top(i, result, bits)) };
}

function rotateRightCarry(i: Instruction, bits: number, a: Value, count: Value): Shifted {
  const carryIn = i.shl(i.extend(flagC(i)), i.sub(i.i64(bits), count));
  const around = i.shl(i.shl(a, i.i64(1)), i.sub(i.i64(bits), count));
  const result = i.truncate(i.or(i.or(i.shrU(a, count), carryIn), around), bits);
  const carry = bit(i, a, i.sub(count, i.i64(1)));
  return {
    result,
    carry,
    overflow: i.op("i32.xor", top(i, result, bits), bit(i, result, i.i64(bits - 2))),
  };
}

const same = (bits: number): number => bits;
const withCarry = (bits: number): number => bits + 1;
const GROUP: readonly (readonly [string, Semantics])[] = [
  ["ROL", rotate(rotateLeft, same, true)],
  ["ROR", rotate(rotateRight, same, true)],
  ["RCL", rotate(rotateLeftCarry, withCarry, false)],
  ["RCR", rotate(rotateRightCarry, withCarry, false)],
  ["SHL", shift(shiftLeft)],
  ["SHR", shift(shiftRight)],
  ["SHL", shift(shiftLeft)],
  ["SAR", shift(shiftArithmetic)],
];
GROUP.forEach(([name, semantics], reg) => {
  row(`c0 /${reg}`, `${name} Eb,Ib`, semantics);
  row(`c1 /${reg}`, `${name} Ev,Ib`, semantics);
  row(`d0 /${reg}`, `${name} Eb,1`, semantics);
  row(`d1 /${reg}`, `${name} Ev,1`, semantics);
  row(`d2 /${reg}`, `${name} Eb,CL`, semantics);
  row(`d3 /${reg}`, `${name} Ev,CL`, semantics);
});

/** SHLD and SHRD: bits of the second operand come in. */
function double(left: boolean): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.update(0);
    const b = i.read(1);
    const count = maskedCount(i, 2, bits);
    const rest = i.sub(i.i64(bits), count);
    let result: Value;
    let carry: Value;
    if (bits === 16) {
      // For counts above 16 (undefined) the second operand comes in again.
      const twice = i.or(i.shl(b, i.i64(16)), b);
      const wide = left ? i.or(i.shl(a, i.i64(32)), twice) : i.or(i.shl(twice, i.i64(16)), a);
      const shifted = left ? i.shrU(i.shl(wide, count), i.i64(32)) : i.shrU(wide, count);
      result = i.truncate(shifted, 16);
      carry = left ? bit(i, wide, i.sub(i.i64(48), count)) : bit(i, wide, i.sub(count, i.i64(1)));
    } else {
      result = i.truncate(
        left ? i.or(i.shl(a, count), i.shrU(b, rest)) : i.or(i.shrU(a, count), i.shl(b, rest)),
        bits,
      );
      carry = left ? bit(i, a, rest) : bit(i, a, i.sub(count, i.i64(1)));
    }
    const overflow = i.op("i32.xor", top(i, a, bits), top(i, result, bits));
    const isZero = i.eqz(count);
    i.write(0, i.select(isZero, a, result));
    i.if(i.op("i32.eqz", isZero), () => setResultCarryOverflow(i, bits, result, carry, overflow));
  };
}
row("0f a4", "SHLD Ev,Gv,Ib", double(true));
row("0f a5", "SHLD Ev,Gv,CL", double(true));
row("0f ac", "SHRD Ev,Gv,Ib", double(false));
row("0f ad", "SHRD Ev,Gv,CL", double(false));

import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { MicroFunction } from "../../wasm/function-emitter.ts";
import { X87 } from "../../x86/state.ts";
import { C1, PE } from "../context.ts";
import { BIAS } from "../float80.ts";
import { CONTROL_WORD, NUMBER, OPERAND, SIGN_EXPONENT, STATUS_WORD, TAGS } from "../layout.ts";
import { DONE, isNormal, isZero, NOT_DONE, nearest, Stack, TOP, withPops } from "./number.ts";

/** What a store raises, until it is in memory: PE and C1, a word of the window. */
export const RAISED = OPERAND + 0x20;

/** Pushes a number, if there is room. */
function push(stack: Stack, significand: Value, signExponent: Value): void {
  const { l } = stack;
  const at = stack.top(-1);
  const register = l.op("i32.shr_u", at, l.i32(4));
  const bit = l.op("i32.shl", l.i32(1), register);
  stack.demand(l.op("i32.eqz", l.op("i32.and", stack.tags, bit)));
  stack.store(at, significand, signExponent);
  l.storeState(X87 + TAGS, "i32", l.op("i32.or", stack.tags, bit));
  const rest = l.op("i32.and", stack.status, l.i32(~(TOP | C1)));
  l.storeState(X87 + STATUS_WORD, "i32", l.op("i32.or", rest, l.op("i32.shl", at, l.i32(7))));
  l.leave(DONE);
}

/** A single or double in an i64, taken apart: normal numbers and zeros. */
function widen(
  l: Lift,
  bits: Value,
  width: 32 | 64,
): { good: Value; significand: Value; signExponent: Value } {
  const [fractionBits, bias] = width === 32 ? [23, 127] : [52, 1023];
  const fraction = l.shl(bits, l.i64(64 - fractionBits));
  const field = l.op("i32.and", l.wrap(l.shrU(bits, l.i64(fractionBits))), l.i32(2 * bias + 1));
  const sign = l.op("i32.and", l.wrap(l.shrU(bits, l.i64(width - 16))), l.i32(0x8000));
  const zero = l.eqz(l.or(fraction, l.extend(field)));
  const normal = l.op("i32.lt_u", l.op("i32.sub", field, l.i32(1)), l.i32(2 * bias));
  const wide = l.or(l.shrU(fraction, l.i64(1)), l.i64(1n << 63n));
  const exponent = l.op("i32.add", field, l.i32(BIAS - bias));
  return {
    good: l.op("i32.or", zero, normal),
    significand: l.select(zero, l.i64(0), wide),
    signExponent: l.op("i32.or", sign, l.select(zero, l.i32(0), exponent)),
  };
}

/** A signed integer, exactly. */
function fromInteger(l: Lift, value: Value): { significand: Value; signExponent: Value } {
  const negative = l.op("i64.lt_s", value, l.i64(0));
  const magnitude = l.select(negative, l.sub(l.i64(0), value), value);
  const places = l.op("i64.clz", magnitude);
  const zero = l.eqz(magnitude);
  const exponent = l.op("i32.sub", l.i32(BIAS + 63), l.wrap(places));
  return {
    significand: l.shl(magnitude, places),
    signExponent: l.op(
      "i32.or",
      l.op("i32.shl", negative, l.i32(15)),
      l.select(zero, l.i32(0), exponent),
    ),
  };
}

function toScratch(l: Lift, significand: Value, signExponent: Value): void {
  l.storeState(X87 + NUMBER, "i64", significand);
  l.storeState(X87 + NUMBER + SIGN_EXPONENT, "i32", signExponent);
  l.leave(DONE);
}

/** FST m32, m64: ST(0) to nearest into OPERAND, and what it raises into RAISED. */
function narrow(l: Lift, width: 32 | 64): void {
  const [fractionBits, bias] = width === 32 ? [23, 127] : [52, 1023];
  const stack = new Stack(l);
  const control = l.op("i32.and", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(0xc00 | PE));
  stack.demand(l.op("i32.eq", control, l.i32(PE)));
  const at = stack.top();
  stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
  const a = stack.load(at);
  const sign = l.shl(l.extend(a.sign), l.i64(width - 16));
  l.if(isZero(l, a), () => {
    l.storeState(X87 + OPERAND, "i64", sign);
    l.storeState(X87 + RAISED, "i32", l.i32(0));
    l.leave(DONE);
  });
  stack.demand(isNormal(l, a));
  const kept = l.shrU(a.significand, l.i64(63 - fractionBits));
  const rest = l.shl(a.significand, l.i64(fractionBits + 1));
  const { up, inexact } = nearest(l, l.wrap(kept), rest);
  // the integer bit, and a carry out of the fraction, count the exponent up
  const field = l.op("i32.sub", a.exponent, l.i32(BIAS - bias + 1));
  const sum = l.add(l.add(l.shl(l.extend(field), l.i64(fractionBits)), kept), l.extend(up));
  const biased = l.wrap(l.shrU(sum, l.i64(fractionBits)));
  const inRange = l.op("i32.lt_u", field, l.i32(2 * bias));
  stack.demand(l.op("i32.and", inRange, l.op("i32.lt_u", biased, l.i32(2 * bias + 1))));
  l.storeState(X87 + OPERAND, "i64", l.or(sign, sum));
  const raised = l.op("i32.or", l.op("i32.shl", inexact, l.i32(5)), l.op("i32.shl", up, l.i32(9)));
  l.storeState(X87 + RAISED, "i32", raised);
  l.leave(DONE);
}

/**
 * The magnitude of a number below 2^63, or a zero, rounded to an integer by RC or truncated; whether
 * that lost something, and whether it went up.
 */
function rounded(
  stack: Stack,
  a: ReturnType<Stack["load"]>,
  truncate: Value,
): { magnitude: Value; inexact: Value; up: Value } {
  const { l } = stack;
  const zero = isZero(l, a);
  const small = l.op("i32.le_u", a.exponent, l.i32(BIAS + 62));
  stack.demand(l.op("i32.or", zero, l.op("i32.and", isNormal(l, a), small)));
  const distance = l.op("i32.sub", l.i32(BIAS + 63), a.exponent);
  const isShort = l.op("i32.lt_u", distance, l.i32(64));
  const places = l.extend(distance);
  const kept = l.select(isShort, l.shrU(a.significand, places), l.i64(0));
  const cut = l.shl(a.significand, l.sub(l.i64(64), places));
  const at64 = l.op("i32.eq", distance, l.i32(64));
  const far = l.select(at64, a.significand, l.i64(1));
  const rest = l.select(zero, l.i64(0), l.select(isShort, cut, far));
  const toNearest = nearest(l, l.wrap(kept), rest);
  const { inexact } = toNearest;
  const control = l.op("i32.shr_u", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(10));
  const mode = l.select(truncate, l.i32(3), l.op("i32.and", control, l.i32(3)));
  const negative = l.op("i32.shr_u", a.sign, l.i32(15));
  // 1: down, 2: up
  const away = l.op("i32.eq", mode, l.op("i32.sub", l.i32(2), negative));
  const directed = l.op("i32.and", inexact, away);
  const up = l.select(l.op("i32.eqz", mode), toNearest.up, directed);
  return { magnitude: l.add(kept, l.extend(up)), inexact, up };
}

/** PE, if it is raised, must be masked. */
function demandMasked(stack: Stack, inexact: Value): void {
  const { l } = stack;
  const mask = l.op("i32.shr_u", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(5));
  stack.demand(l.op("i32.or", l.op("i32.eqz", inexact), l.op("i32.and", mask, l.i32(1))));
}

/** FIST, FISTTP: (bits, truncate): ST(0) into OPERAND, and what it raises into RAISED. */
function toInteger(l: Lift, bits: Value, truncate: Value): void {
  const stack = new Stack(l);
  const at = stack.top();
  stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
  const a = stack.load(at);
  const { magnitude, inexact, up } = rounded(stack, a, truncate);
  // -2^(bits - 1) is left to the exact functions
  const limit = l.shl(l.i64(1), l.sub(l.extend(bits), l.i64(1)));
  stack.demand(l.ltU(magnitude, limit));
  demandMasked(stack, inexact);
  const value = l.select(a.sign, l.sub(l.i64(0), magnitude), magnitude);
  l.storeState(X87 + OPERAND, "i64", value);
  const raised = l.op("i32.or", l.op("i32.shl", inexact, l.i32(5)), l.op("i32.shl", up, l.i32(9)));
  l.storeState(X87 + RAISED, "i32", raised);
  l.leave(DONE);
}

/** FRNDINT. */
function roundToInteger(l: Lift): void {
  const stack = new Stack(l);
  const at = stack.top();
  stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
  const a = stack.load(at);
  const { magnitude, inexact, up } = rounded(stack, a, l.i32(0));
  demandMasked(stack, inexact);
  const places = l.op("i64.clz", magnitude);
  const exponent = l.op("i32.sub", l.i32(BIAS + 63), l.wrap(places));
  const field = l.select(l.eqz(magnitude), l.i32(0), exponent);
  stack.store(at, l.shl(magnitude, places), l.op("i32.or", a.sign, field));
  stack.conclude(stack.raised(inexact, up), 0);
}

/** A function of a place, once it holds a number; C1 is cleared. */
function withRegister(
  name: string,
  parameters: MicroFunction["parameters"],
  work: (stack: Stack, at: Value, rest: readonly Value[]) => void,
): MicroFunction {
  return {
    name,
    parameters: ["i32", ...parameters],
    build(l, place, ...rest) {
      const stack = new Stack(l);
      const at = stack.at(place as Value);
      stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
      work(stack, at, rest);
    },
  };
}

const exact = (stack: Stack): Value => stack.raised(stack.l.i32(0), stack.l.i32(0));

export const TRANSFER: readonly MicroFunction[] = [
  {
    name: "x87_push",
    parameters: ["i64", "i32"],
    build: (l, significand, signExponent) =>
      push(new Stack(l), significand as Value, signExponent as Value),
  },
  ...([32, 64] as const).flatMap((width): MicroFunction[] => [
    {
      name: `x87_push_${width}`,
      parameters: ["i64"],
      build(l, bits) {
        const stack = new Stack(l);
        const { good, significand, signExponent } = widen(l, bits as Value, width);
        stack.demand(good);
        push(stack, significand, signExponent);
      },
    },
    {
      name: `x87_widen_${width}`,
      parameters: ["i64"],
      build(l, bits) {
        const { good, significand, signExponent } = widen(l, bits as Value, width);
        l.if(l.op("i32.eqz", good), () => l.leave(NOT_DONE));
        toScratch(l, significand, signExponent);
      },
    },
    { name: `x87_narrow_${width}`, parameters: [], build: (l) => narrow(l, width) },
  ]),
  {
    name: "x87_push_integer",
    parameters: ["i64"],
    build(l, value) {
      const { significand, signExponent } = fromInteger(l, value as Value);
      push(new Stack(l), significand, signExponent);
    },
  },
  {
    name: "x87_widen_integer",
    parameters: ["i64"],
    build(l, value) {
      const { significand, signExponent } = fromInteger(l, value as Value);
      toScratch(l, significand, signExponent);
    },
  },
  {
    name: "x87_to_integer",
    parameters: ["i32", "i32"],
    build: (l, bits, truncate) => toInteger(l, bits as Value, truncate as Value),
  },
  { name: "x87_round", parameters: [], build: roundToInteger },
  // FST to 80 bits: as it is
  withRegister("x87_copy_out", [], (stack, at) => {
    const { l } = stack;
    l.storeState(X87 + OPERAND, "i64", l.loadIndexed(at, X87, "i64"));
    l.storeState(X87 + OPERAND + 8, "i32", l.loadIndexed(at, X87 + SIGN_EXPONENT, "i32"));
    l.storeState(X87 + RAISED, "i32", l.i32(0));
    l.leave(DONE);
  }),
  // what was stored is in memory
  ...withPops("x87_stored", [0, 1], [], (l, pops) => {
    const stack = new Stack(l);
    const rest = l.op("i32.and", stack.status, l.i32(~C1));
    stack.conclude(l.op("i32.or", rest, l.loadState(X87 + RAISED, "i32")), pops);
  }),
  // FLD ST(i)
  withRegister("x87_duplicate", [], (stack, at) => {
    const { l } = stack;
    const significand = l.loadIndexed(at, X87, "i64");
    push(stack, significand, l.loadIndexed(at, X87 + SIGN_EXPONENT, "i32"));
  }),
  // FXCH
  withRegister("x87_exchange", [], (stack, at) => {
    const { l } = stack;
    const top = stack.top();
    stack.demand(l.op("i32.and", stack.isFull(top), l.i32(1)));
    const [a, b] = [at, top].map((place) => ({
      significand: l.loadIndexed(place, X87, "i64"),
      signExponent: l.loadIndexed(place, X87 + SIGN_EXPONENT, "i32"),
    })) as [
      { significand: Value; signExponent: Value },
      { significand: Value; signExponent: Value },
    ];
    stack.store(top, a.significand, a.signExponent);
    stack.store(at, b.significand, b.signExponent);
    l.storeState(X87 + STATUS_WORD, "i32", exact(stack));
    l.leave(DONE);
  }),
  // FST ST(i), FSTP ST(i)
  ...withPops("x87_move", [0, 1], ["i32"], (l, pops, place) => {
    const stack = new Stack(l);
    const top = stack.top();
    stack.demand(l.op("i32.and", stack.isFull(top), l.i32(1)));
    const at = stack.at(place as Value);
    // filling an empty register is for the exact functions
    stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
    stack.store(at, l.loadIndexed(top, X87, "i64"), l.loadIndexed(top, X87 + SIGN_EXPONENT, "i32"));
    stack.conclude(exact(stack), pops);
  }),
  // FCHS, FABS: (place, bits that stay, bits that change)
  withRegister("x87_sign", ["i32", "i32"], (stack, at, [kept, flipped]) => {
    const { l } = stack;
    const word = l.loadIndexed(at, X87 + SIGN_EXPONENT, "i32");
    const changed = l.op("i32.xor", l.op("i32.and", word, kept as Value), flipped as Value);
    l.storeIndexed(at, X87 + SIGN_EXPONENT, "i32", changed);
    l.storeState(X87 + STATUS_WORD, "i32", exact(stack));
    l.leave(DONE);
  }),
];

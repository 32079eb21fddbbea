import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { X87 } from "../../x86/state.ts";
import { BIAS } from "../float80.ts";
import { CONTROL_WORD, OPERAND } from "../layout.ts";
import {
  directed,
  exact,
  isZero,
  load,
  type Number80,
  type QuickFunction,
  ROUNDING,
  raised as raisedStatus,
  raises,
  SCRATCH,
  withPops,
} from "./number.ts";
import type { Stack } from "./stack.ts";

/** What a store raises, until it is in memory: PE and C1, a word of the window. */
export const RAISED = OPERAND + 0x20;

/** Pushes a number, if there is room. @param good whether it is a normal number or a zero */
function push(stack: Stack, significand: Value, signExponent: Value, good: boolean): void {
  const at = stack.top(-1);
  stack.demandEmpty(at);
  stack.store(at, significand, signExponent);
  if (good) stack.setGood(at);
  stack.concludePush(at);
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

function toScratch(stack: Stack, significand: Value, signExponent: Value): void {
  const at = stack.l.i32(SCRATCH);
  stack.store(at, significand, signExponent);
  stack.setGood(at);
  stack.done();
}

/** Ends a function that leaves a memory operand in OPERAND. */
function toOperand(stack: Stack, value: Value, raised: Value): void {
  const { l } = stack;
  l.storeState(X87 + OPERAND, "i64", value);
  l.storeState(X87 + RAISED, "i32", raised);
  stack.done();
}

/** FST m32, m64: ST(0) into OPERAND, and what it raises into RAISED. */
function narrow(stack: Stack, width: 32 | 64): void {
  const [fractionBits, bias] = width === 32 ? [23, 127] : [52, 1023];
  const { l } = stack;
  stack.demandModes();
  const at = stack.top();
  stack.demandFull(at);
  const a = load(stack, at);
  const sign = l.shl(l.extend(a.sign), l.i64(width - 16));
  l.if(
    isZero(l, a),
    () => toOperand(stack, sign, l.i32(0)),
    () => {
      const kept = l.shrU(a.significand, l.i64(63 - fractionBits));
      const rest = l.shl(a.significand, l.i64(fractionBits + 1));
      const { up, inexact } = directed(l, l.wrap(kept), rest, stack.modes(), a.sign);
      // the integer bit, and a carry out of the fraction, count the exponent up
      const field = l.op("i32.sub", a.exponent, l.i32(BIAS - bias + 1));
      const sum = l.add(l.add(l.shl(l.extend(field), l.i64(fractionBits)), kept), l.extend(up));
      const biased = l.wrap(l.shrU(sum, l.i64(fractionBits)));
      const inRange = l.op("i32.lt_u", field, l.i32(2 * bias));
      stack.demand(l.op("i32.and", inRange, l.op("i32.lt_u", biased, l.i32(2 * bias + 1))));
      toOperand(stack, l.or(sign, sum), raises(l, inexact, up));
    },
  );
}

/**
 * The magnitude of a number below 2^63, or a zero, rounded to an integer by RC or truncated; whether
 * that lost something, and whether it went up.
 */
function rounded(
  stack: Stack,
  a: Number80,
  truncate: Value,
): { magnitude: Value; inexact: Value; up: Value } {
  const { l } = stack;
  const zero = isZero(l, a);
  const small = l.op("i32.le_u", a.exponent, l.i32(BIAS + 62));
  stack.demand(small);
  const distance = l.op("i32.sub", l.i32(BIAS + 63), a.exponent);
  const isShort = l.op("i32.lt_u", distance, l.i32(64));
  const places = l.extend(distance);
  const kept = l.select(isShort, l.shrU(a.significand, places), l.i64(0));
  const cut = l.shl(a.significand, l.sub(l.i64(64), places));
  const at64 = l.op("i32.eq", distance, l.i32(64));
  const far = l.select(at64, a.significand, l.i64(1));
  const rest = l.select(zero, l.i64(0), l.select(isShort, cut, far));
  const control = l.loadState(X87 + CONTROL_WORD, "i32");
  const modes = l.select(truncate, l.i32(ROUNDING), control);
  const { up, inexact } = directed(l, l.wrap(kept), rest, modes, a.sign);
  return { magnitude: l.add(kept, l.extend(up)), inexact, up };
}

/** PE, if it is raised, must be masked. */
function demandMasked(stack: Stack, inexact: Value): void {
  const { l } = stack;
  const mask = l.op("i32.shr_u", l.loadState(X87 + CONTROL_WORD, "i32"), l.i32(5));
  stack.demand(l.op("i32.or", l.op("i32.eqz", inexact), l.op("i32.and", mask, l.i32(1))));
}

/** FIST, FISTTP: (bits, truncate): ST(0) into OPERAND, and what it raises into RAISED. */
function toInteger(stack: Stack, bits: Value, truncate: Value): void {
  const { l } = stack;
  const at = stack.top();
  stack.demandFull(at);
  const a = load(stack, at);
  const { magnitude, inexact, up } = rounded(stack, a, truncate);
  // -2^(bits - 1) is left to the exact functions
  const limit = l.shl(l.i64(1), l.sub(l.extend(bits), l.i64(1)));
  stack.demand(l.ltU(magnitude, limit));
  demandMasked(stack, inexact);
  const value = l.select(a.sign, l.sub(l.i64(0), magnitude), magnitude);
  toOperand(stack, value, raises(l, inexact, up));
}

/** FRNDINT. */
function roundToInteger(stack: Stack): void {
  const { l } = stack;
  const at = stack.top();
  stack.demandFull(at);
  const a = load(stack, at);
  const { magnitude, inexact, up } = rounded(stack, a, l.i32(0));
  demandMasked(stack, inexact);
  const places = l.op("i64.clz", magnitude);
  const exponent = l.op("i32.sub", l.i32(BIAS + 63), l.wrap(places));
  const field = l.select(l.eqz(magnitude), l.i32(0), exponent);
  stack.store(at, l.shl(magnitude, places), l.op("i32.or", a.sign, field));
  stack.setGood(at);
  stack.conclude(raisedStatus(stack, inexact, up), 0);
}

/** A function of a place, once it holds a number. */
function withRegister(
  name: string,
  parameters: QuickFunction["parameters"],
  work: (stack: Stack, at: Value, rest: readonly Value[]) => void,
): QuickFunction {
  return {
    name,
    parameters: ["i32", ...parameters],
    build(stack, place, ...rest) {
      const at = stack.at(place as Value);
      stack.demandFull(at);
      work(stack, at, rest);
    },
  };
}

/** What a register holds, to be stored in another. */
function copyOf(stack: Stack, at: Value): (to: Value) => void {
  const significand = stack.significand(at);
  const signExponent = stack.signExponent(at);
  const good = stack.isGood(at);
  return (to) => {
    stack.store(to, significand, signExponent);
    if (good) stack.setGood(to);
  };
}

export const TRANSFER: readonly QuickFunction[] = [
  {
    name: "x87_push_constant",
    parameters: ["i64", "i32"],
    build: (stack, significand, signExponent) =>
      push(stack, significand as Value, signExponent as Value, true),
  },
  {
    name: "x87_push",
    parameters: ["i64", "i32"],
    build: (stack, significand, signExponent) =>
      push(stack, significand as Value, signExponent as Value, false),
  },
  ...([32, 64] as const).flatMap((width): QuickFunction[] => [
    {
      name: `x87_push_${width}`,
      parameters: ["i64"],
      build(stack, bits) {
        const { good, significand, signExponent } = widen(stack.l, bits as Value, width);
        stack.demand(good);
        push(stack, significand, signExponent, true);
      },
    },
    {
      name: `x87_widen_${width}`,
      parameters: ["i64"],
      build(stack, bits) {
        const { good, significand, signExponent } = widen(stack.l, bits as Value, width);
        stack.demand(good);
        toScratch(stack, significand, signExponent);
      },
    },
    { name: `x87_narrow_${width}`, parameters: [], build: (stack) => narrow(stack, width) },
  ]),
  {
    name: "x87_push_integer",
    parameters: ["i64"],
    build(stack, value) {
      const { significand, signExponent } = fromInteger(stack.l, value as Value);
      push(stack, significand, signExponent, true);
    },
  },
  {
    name: "x87_widen_integer",
    parameters: ["i64"],
    build(stack, value) {
      const { significand, signExponent } = fromInteger(stack.l, value as Value);
      toScratch(stack, significand, signExponent);
    },
  },
  {
    name: "x87_to_integer",
    parameters: ["i32", "i32"],
    build: (stack, bits, truncate) => toInteger(stack, bits as Value, truncate as Value),
  },
  { name: "x87_round", parameters: [], build: roundToInteger },
  // FST to 80 bits: as it is
  withRegister("x87_copy_out", [], (stack, at) => {
    const { l } = stack;
    l.storeState(X87 + OPERAND + 8, "i32", stack.signExponent(at));
    toOperand(stack, stack.significand(at), l.i32(0));
  }),
  // what was stored is in memory
  ...withPops("x87_stored", [0, 1], [], (stack, pops) => {
    const { l } = stack;
    const raised = l.loadState(X87 + RAISED, "i32");
    stack.conclude(l.op("i32.or", exact(stack), raised), pops);
  }),
  // FLD ST(i)
  withRegister("x87_duplicate", [], (stack, at) => {
    const to = stack.top(-1);
    stack.demandEmpty(to);
    copyOf(stack, at)(to);
    stack.concludePush(to);
  }),
  // FXCH
  withRegister("x87_exchange", [], (stack, at) => {
    const top = stack.top();
    stack.demandFull(top);
    const [a, b] = [copyOf(stack, at), copyOf(stack, top)];
    a(top);
    b(at);
    stack.conclude(exact(stack), 0);
  }),
  // FST ST(i), FSTP ST(i)
  ...withPops("x87_move", [0, 1], ["i32"], (stack, pops, place) => {
    const top = stack.top();
    const at = stack.at(place as Value);
    // filling an empty register is for the exact functions
    stack.demandFull(top, at);
    copyOf(stack, top)(at);
    stack.conclude(exact(stack), pops);
  }),
  // FCMOVcc: (place, whether it moves); C1 stays
  {
    name: "x87_move_if",
    parameters: ["i32", "i32"],
    build(stack, place, moves) {
      const { l } = stack;
      const [top, at] = [stack.top(), stack.at(place as Value)];
      stack.demandFull(top, at);
      const good = stack.isGood(top) && stack.isGood(at);
      stack.store(
        top,
        l.select(moves as Value, stack.significand(at), stack.significand(top)),
        l.select(moves as Value, stack.signExponent(at), stack.signExponent(top)),
      );
      if (good) stack.setGood(top);
      stack.conclude(stack.status, 0);
    },
  },
  // FCHS, FABS: (place, bits that stay, bits that change)
  withRegister("x87_sign", ["i32", "i32"], (stack, at, [kept, flipped]) => {
    const { l } = stack;
    const word = l.op("i32.and", stack.signExponent(at), kept as Value);
    const good = stack.isGood(at);
    stack.store(at, stack.significand(at), l.op("i32.xor", word, flipped as Value));
    if (good) stack.setGood(at);
    stack.conclude(exact(stack), 0);
  }),
];

import type { Value } from "../../micro/micro-op.ts";
import { X87 } from "../../x86/state.ts";
import { C0, C1, C2, C3 } from "../context.ts";
import { EFLAGS } from "../layout.ts";
import { isZero, load, type QuickFunction, withPops } from "./number.ts";
import type { Stack } from "./stack.ts";

const CONDITION_CODES = C0 | C1 | C2 | C3;

/** ST(0) against a place, normal numbers and zeros: C0 if less, C3 if equal, 0 if greater. */
function order(stack: Stack, place: Value): Value {
  const { l } = stack;
  const [top, at] = [stack.top(), stack.at(place)];
  stack.demandFull(top, at);
  const [a, b] = [load(stack, top), load(stack, at)];
  const [zeroA, zeroB] = [isZero(l, a), isZero(l, b)];
  const sameExponent = l.op("i32.eq", a.exponent, b.exponent);
  const same = l.op("i32.and", sameExponent, l.eq(a.significand, b.significand));
  const smaller = l.select(
    sameExponent,
    l.ltU(a.significand, b.significand),
    l.op("i32.lt_u", a.exponent, b.exponent),
  );
  const sameSign = l.op("i32.eq", a.sign, b.sign);
  const negative = l.op("i32.shr_u", a.sign, l.i32(15));
  const equal = l.op("i32.or", l.op("i32.and", zeroA, zeroB), l.op("i32.and", same, sameSign));
  const less = l.select(sameSign, l.op("i32.xor", smaller, negative), negative);
  return l.select(equal, l.i32(C3), l.select(less, l.i32(C0), l.i32(0)));
}

export const COMPARISON: readonly QuickFunction[] = [
  // FCOM
  ...withPops("x87_compare", [0, 1, 2], ["i32"], (stack, pops, place) => {
    const { l } = stack;
    const codes = order(stack, place as Value);
    const rest = l.op("i32.and", stack.status, l.i32(~CONDITION_CODES));
    stack.conclude(l.op("i32.or", rest, codes), pops);
  }),
  // FCOMI: ZF and CF into EFLAGS of the window
  ...withPops("x87_compare_flags", [0, 1], ["i32"], (stack, pops, place) => {
    const { l } = stack;
    const codes = order(stack, place as Value);
    l.storeState(X87 + EFLAGS, "i32", l.op("i32.shr_u", codes, l.i32(8)));
    stack.conclude(stack.status, pops);
  }),
];

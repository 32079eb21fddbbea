import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { BIAS } from "../float80.ts";
import {
  deliver,
  exact,
  isZero,
  load,
  type Number80,
  type QuickFunction,
  signOfNothing,
  withPops,
} from "./number.ts";
import type { Stack } from "./stack.ts";

/** Two numbers, and where the result goes. */
interface Operands {
  readonly a: Number80;
  readonly b: Number80;
  readonly to: Value;
  readonly pops: number;
}

/**
 * Functions of (left, right, destination, flip): places as in number.ts; `flip` changes the sign of
 * the right operand.
 */
function binary(
  name: string,
  compute: (stack: Stack, operands: Operands) => void,
): QuickFunction[] {
  const parameters = ["i32", "i32", "i32", "i32"] as const;
  return withPops(name, [0, 1], parameters, (stack, pops, left, right, destination, flip) => {
    const { l } = stack;
    stack.demandModes();
    const atLeft = stack.at(left as Value);
    const atRight = stack.at(right as Value);
    stack.demandFull(atLeft, atRight);
    const a = load(stack, atLeft);
    const unflipped = load(stack, atRight);
    const b = { ...unflipped, sign: l.op("i32.xor", unflipped.sign, flip as Value) };
    compute(stack, { a, b, to: stack.at(destination as Value), pops });
  });
}

function deliverZero(stack: Stack, to: Value, sign: Value, pops: number): void {
  stack.store(to, stack.l.i64(0), sign);
  stack.setGood(to);
  stack.conclude(exact(stack), pops);
}

// --- FADD, FSUB ------------------------------------------------------------------------------

function add(stack: Stack, { a, b, to, pops }: Operands): void {
  const { l } = stack;
  // x has the larger magnitude
  const gap = l.op("i32.sub", a.exponent, b.exponent);
  const below = l.op(
    "i32.or",
    l.op("i32.lt_s", gap, l.i32(0)),
    l.op("i32.and", l.op("i32.eqz", gap), l.ltU(a.significand, b.significand)),
  );
  const x = l.select(below, b.significand, a.significand);
  const y = l.select(below, a.significand, b.significand);
  const exponent = l.select(below, b.exponent, a.exponent);
  const sign = l.select(below, b.sign, a.sign);
  const distance = l.select(below, l.op("i32.sub", l.i32(0), gap), gap);
  // y:0 shifted right
  const places = l.extend(distance);
  const upper = l.variable(l.shrU(y, places));
  const extra = l.variable(l.shl(l.shl(y, l.i64(1)), l.xor(places, l.i64(63))));
  l.if(l.op("i32.gt_u", distance, l.i32(63)), () => {
    // from 66 places on only that something is lost counts
    const isAt = (count: number): Value => l.op("i32.eq", distance, l.i32(count));
    const lost = l.extend(l.ne(y, l.i64(0)));
    const at65 = l.or(l.shrU(y, l.i64(1)), l.and(y, l.i64(1)));
    l.set(upper, l.i64(0));
    l.set(extra, l.select(isAt(64), y, l.select(isAt(65), at65, lost)));
  });
  // and negated if the signs differ
  const differ = l.op("i32.ne", a.sign, b.sign);
  const mask = l.sub(l.i64(0), l.extend(differ));
  const lower = l.get(extra);
  const rest = l.sub(l.xor(lower, mask), mask);
  const carry = l.extend(l.op("i32.and", differ, l.eqz(lower)));
  const sum = l.add(x, l.add(l.xor(l.get(upper), mask), carry));
  const grown = l.op("i32.and", l.op("i32.eqz", differ), l.ltU(sum, x));
  // nothing left, or a single bit below: both exact, and that bit is rare
  const nothing = l.op("i32.and", l.eqz(sum), l.op("i32.eqz", grown));
  l.if(
    nothing,
    () => {
      stack.demand(l.eqz(rest));
      deliverZero(stack, to, l.select(differ, signOfNothing(stack), a.sign), pops);
    },
    () => {
      const leading = l.op("i64.clz", sum);
      const moved = l.shrU(l.shrU(rest, l.i64(1)), l.xor(leading, l.i64(63)));
      const halved = l.or(l.shrU(sum, l.i64(1)), l.i64(1n << 63n));
      const out = l.or(l.shl(sum, l.i64(63)), l.or(l.shrU(rest, l.i64(1)), l.and(rest, l.i64(1))));
      const step = l.select(grown, l.i32(1), l.op("i32.sub", l.i32(0), l.wrap(leading)));
      deliver(
        stack,
        to,
        sign,
        l.op("i32.add", exponent, step),
        l.select(grown, halved, l.or(l.shl(sum, leading), moved)),
        l.select(grown, out, l.shl(rest, leading)),
        pops,
      );
    },
  );
}

// --- FMUL ------------------------------------------------------------------------------------

/** 128 bits of a product, from four of 32 by 32 bits. */
function product(l: Lift, a: Value, b: Value): { high: Value; low: Value } {
  const mask = l.i64(0xffff_ffff);
  const half = l.i64(32);
  const [aLow, bLow] = [l.and(a, mask), l.and(b, mask)];
  const [aHigh, bHigh] = [l.shrU(a, half), l.shrU(b, half)];
  const lowest = l.mul(aLow, bLow);
  const first = l.add(l.mul(aHigh, bLow), l.shrU(lowest, half));
  const second = l.add(l.mul(aLow, bHigh), l.and(first, mask));
  return {
    high: l.add(l.add(l.mul(aHigh, bHigh), l.shrU(first, half)), l.shrU(second, half)),
    low: l.or(l.shl(second, half), l.and(lowest, mask)),
  };
}

function multiply(stack: Stack, { a, b, to, pops }: Operands): void {
  const { l } = stack;
  const { high, low } = product(l, a.significand, b.significand);
  const sign = l.op("i32.xor", a.sign, b.sign);
  l.if(
    l.eqz(high),
    () => deliverZero(stack, to, sign, pops),
    () => {
      const sum = l.op("i32.sub", l.op("i32.add", a.exponent, b.exponent), l.i32(BIAS - 1));
      // from 1 to below 4: one place, or none
      const places = l.op("i64.clz", high);
      const lifted = l.or(l.shl(high, places), l.and(l.shrU(low, l.i64(63)), places));
      const exponent = l.op("i32.sub", sum, l.wrap(places));
      deliver(stack, to, sign, exponent, lifted, l.shl(low, places), pops);
    },
  );
}

// --- FDIV ------------------------------------------------------------------------------------

/** 32 bits of rest:next / divisor, where rest is below the divisor; and what is left. */
function digit(l: Lift, rest: Value, next: Value, divisor: Value): { digit: Value; rest: Value } {
  const high = l.shrU(divisor, l.i64(32));
  const low = l.and(divisor, l.i64(0xffff_ffff));
  // too large by two at most (Knuth, The Art of Computer Programming, 4.3.1, theorem B)
  const guess = l.op("i64.div_u", rest, high);
  const limited = l.select(l.op("i64.gt_u", guess, l.i64(0xffff_ffff)), l.i64(0xffff_ffff), guess);
  const left = l.sub(rest, l.mul(limited, high));
  const digit = l.variable(limited);
  const over = l.variable(left);
  l.while(
    () => {
      const isShort = l.op("i64.le_u", l.get(over), l.i64(0xffff_ffff));
      const available = l.or(l.shl(l.get(over), l.i64(32)), next);
      const excess = l.op("i64.gt_u", l.mul(l.get(digit), low), available);
      return l.op("i32.and", isShort, excess);
    },
    () => {
      l.set(digit, l.sub(l.get(digit), l.i64(1)));
      l.set(over, l.add(l.get(over), high));
    },
  );
  const found = l.get(digit);
  const whole = l.or(l.shl(rest, l.i64(32)), next);
  return { digit: found, rest: l.sub(whole, l.mul(found, divisor)) };
}

function divide(stack: Stack, { a, b, to, pops }: Operands): void {
  const { l } = stack;
  const divisor = b.significand;
  stack.insist(l.op("i64.lt_s", divisor, l.i64(0)));
  const sign = l.op("i32.xor", a.sign, b.sign);
  l.if(
    isZero(l, a),
    () => deliverZero(stack, to, sign, pops),
    () => {
      // halved where the quotient would have 65 bits
      const below = l.extend(l.ltU(a.significand, divisor));
      const places = l.sub(l.i64(1), below);
      const high = l.shrU(a.significand, places);
      const low = l.shl(l.and(a.significand, places), l.i64(31));
      const first = digit(l, high, low, divisor);
      const second = digit(l, first.rest, l.i64(0), divisor);
      const quotient = l.or(l.shl(first.digit, l.i64(32)), second.digit);
      // twice what is left against the divisor; they are never equal
      const above = l.op("i64.gt_u", second.rest, l.sub(divisor, second.rest));
      const extra = l.select(l.eqz(second.rest), l.i64(0), l.select(above, l.i64(-1), l.i64(1)));
      const difference = l.op("i32.add", l.op("i32.sub", a.exponent, b.exponent), l.i32(BIAS));
      const exponent = l.op("i32.sub", difference, l.wrap(below));
      deliver(stack, to, sign, exponent, quotient, extra, pops);
    },
  );
}

// --- FSQRT -----------------------------------------------------------------------------------

function squareRoot(stack: Stack): void {
  const { l } = stack;
  stack.demandModes();
  const at = stack.top();
  stack.demandFull(at);
  const a = load(stack, at);
  l.if(
    isZero(l, a),
    () => deliverZero(stack, at, a.sign, 0),
    () => {
      const isPositive = l.op("i32.eqz", a.sign);
      stack.insist(l.op("i32.and", isPositive, l.op("i64.lt_s", a.significand, l.i64(0))));
      squareRootOfPositive(stack, at, a);
    },
  );
}

function squareRootOfPositive(stack: Stack, at: Value, a: Number80): void {
  const { l } = stack;
  // radicand high:next:0, 64 and twice 32 bits, with an even exponent, so that the root has 64 bits
  const even = l.extend(l.op("i32.and", a.exponent, l.i32(1)));
  const high = l.shrU(a.significand, even);
  const next = l.shl(l.and(a.significand, even), l.i64(31));
  // the upper half: a double gives it to within one
  const guess = l.op("i64.trunc_sat_f64_u", l.op("f64.sqrt", l.op("f64.convert_i64_u", high)));
  const limited = l.select(l.op("i64.gt_u", guess, l.i64(0xffff_ffff)), l.i64(0xffff_ffff), guess);
  const upper = l.variable(limited);
  const rest = l.variable(l.sub(high, l.mul(limited, limited)));
  l.while(
    () => l.op("i64.lt_s", l.get(rest), l.i64(0)),
    () => {
      const smaller = l.sub(l.get(upper), l.i64(1));
      l.set(upper, smaller);
      l.set(rest, l.add(l.get(rest), l.add(l.shl(smaller, l.i64(1)), l.i64(1))));
    },
  );
  l.while(
    () => l.op("i64.gt_s", l.get(rest), l.shl(l.get(upper), l.i64(1))),
    () => {
      const now = l.get(upper);
      l.set(rest, l.sub(l.get(rest), l.add(l.shl(now, l.i64(1)), l.i64(1))));
      l.set(upper, l.add(now, l.i64(1)));
    },
  );
  // the lower half: (rest:next) / (2 * upper), too large by two at most
  const u = l.get(upper);
  const twice = l.shl(u, l.i64(1));
  const halved = l.or(l.shl(l.get(rest), l.i64(31)), l.shrU(next, l.i64(1)));
  const quotient = l.op("i64.div_u", halved, u);
  const lower = l.variable(
    l.select(l.op("i64.gt_u", quotient, l.i64(0xffff_ffff)), l.i64(0xffff_ffff), quotient),
  );
  // remainder = part * 2^32 - lower^2, where part is what the division left
  const part = l.variable(l.shl(l.sub(halved, l.mul(l.get(lower), u)), l.i64(1)));
  const negative = (): Value => {
    const square = l.mul(l.get(lower), l.get(lower));
    const isShort = l.op("i64.le_u", l.get(part), l.i64(0xffff_ffff));
    return l.op("i32.and", isShort, l.op("i64.gt_u", square, l.shl(l.get(part), l.i64(32))));
  };
  l.while(negative, () => {
    l.set(lower, l.sub(l.get(lower), l.i64(1)));
    l.set(part, l.add(l.get(part), twice));
  });
  const found = l.get(lower);
  const root = l.or(l.shl(u, l.i64(32)), found);
  const square = l.mul(found, found);
  const left = l.get(part);
  // remainder against root: above half a place, or below; both in units of 2^32 and 1
  const borrow = l.ne(l.and(square, l.i64(0xffff_ffff)), l.i64(0));
  const remainderHigh = l.sub(l.sub(left, l.shrU(square, l.i64(32))), l.extend(borrow));
  const remainderLow = l.and(l.sub(l.i64(0), square), l.i64(0xffff_ffff));
  const above = l.op(
    "i32.or",
    l.op("i64.gt_u", remainderHigh, u),
    l.op("i32.and", l.eq(remainderHigh, u), l.op("i64.gt_u", remainderLow, found)),
  );
  const extra = l.select(
    l.eqz(l.or(remainderHigh, remainderLow)),
    l.i64(0),
    l.select(above, l.i64(-1), l.i64(1)),
  );
  const half = l.op("i32.shr_s", l.op("i32.sub", a.exponent, l.i32(BIAS)), l.i32(1));
  const exponent = l.op("i32.add", half, l.i32(BIAS));
  deliver(stack, at, l.i32(0), exponent, root, extra, 0);
}

export const ARITHMETIC: readonly QuickFunction[] = [
  ...binary("x87_add", add),
  ...binary("x87_multiply", multiply),
  ...binary("x87_divide", divide),
  { name: "x87_square_root", parameters: [], build: squareRoot },
];

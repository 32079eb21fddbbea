import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { MicroFunction } from "../../wasm/function-emitter.ts";
import { BIAS } from "../float80.ts";
import { isNormal, isZero, type Number80, Stack, withPops } from "./number.ts";

/** Two numbers, and where the result goes. */
interface Operands {
  readonly stack: Stack;
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
  normal: (l: Lift, operands: Operands) => void,
  withZero: (l: Lift, operands: Operands) => void,
): MicroFunction[] {
  const parameters = ["i32", "i32", "i32", "i32"] as const;
  return withPops(name, [0, 1], parameters, (l, pops, left, right, destination, flip) => {
    const stack = new Stack(l);
    stack.demandModes();
    const atLeft = stack.at(left as Value);
    const atRight = stack.at(right as Value);
    const full = l.op("i32.and", stack.isFull(atLeft), stack.isFull(atRight));
    stack.demand(l.op("i32.and", full, l.i32(1)));
    const a = stack.load(atLeft);
    const unflipped = stack.load(atRight);
    const b = { ...unflipped, sign: l.op("i32.xor", unflipped.sign, flip as Value) };
    const operands = { stack, a, b, to: stack.at(destination as Value), pops };
    l.if(
      l.op("i32.and", isNormal(l, a), isNormal(l, b)),
      () => normal(l, operands),
      () => withZero(l, operands),
    );
  });
}

// --- FADD, FSUB ------------------------------------------------------------------------------

function addNormal(l: Lift, { stack, a, b, to, pops }: Operands): void {
  // x has the larger magnitude
  const below = l.op(
    "i32.or",
    l.op("i32.lt_u", a.exponent, b.exponent),
    l.op("i32.and", l.op("i32.eq", a.exponent, b.exponent), l.ltU(a.significand, b.significand)),
  );
  const x = l.select(below, b.significand, a.significand);
  const y = l.select(below, a.significand, b.significand);
  const exponent = l.select(below, b.exponent, a.exponent);
  const smaller = l.select(below, a.exponent, b.exponent);
  const sign = l.select(below, b.sign, a.sign);
  // y:0 shifted right; from 66 places on only that something is lost counts
  const distance = l.op("i32.sub", exponent, smaller);
  const isAt = (places: number): Value => l.op("i32.eq", distance, l.i32(places));
  const places = l.extend(distance);
  const isShort = l.op("i32.lt_u", distance, l.i32(64));
  const upper = l.select(isShort, l.shrU(y, places), l.i64(0));
  const cut = l.select(l.op("i32.eqz", distance), l.i64(0), l.shl(y, l.sub(l.i64(64), places)));
  const at65 = l.or(l.shrU(y, l.i64(1)), l.and(y, l.i64(1)));
  const far = l.select(isAt(64), y, l.select(isAt(65), at65, l.i64(1)));
  const extra = l.select(isShort, cut, far);
  l.if(
    l.op("i32.eq", a.sign, b.sign),
    () => {
      const sum = l.add(x, upper);
      l.if(
        l.ltU(sum, x),
        () => {
          const half = l.or(l.shrU(sum, l.i64(1)), l.i64(1n << 63n));
          const rest = l.or(
            l.or(l.shl(sum, l.i64(63)), l.shrU(extra, l.i64(1))),
            l.and(extra, l.i64(1)),
          );
          stack.deliver(to, sign, l.op("i32.add", exponent, l.i32(1)), half, rest, pops);
        },
        () => stack.deliver(to, sign, exponent, sum, extra, pops),
      );
    },
    () => {
      const rest = l.sub(l.i64(0), extra);
      const borrow = l.extend(l.ne(extra, l.i64(0)));
      const difference = l.sub(l.sub(x, upper), borrow);
      l.if(l.eqz(difference), () => {
        // nothing left, or a single bit below: both exact, and rare
        stack.demand(l.eqz(rest));
        stack.store(to, l.i64(0), l.i32(0));
        stack.conclude(stack.raised(l.i32(0), l.i32(0)), pops);
      });
      const leading = l.op("i64.clz", difference);
      const lifted = l.select(
        l.eqz(leading),
        difference,
        l.or(l.shl(difference, leading), l.shrU(rest, l.sub(l.i64(64), leading))),
      );
      const lower = l.op("i32.sub", exponent, l.wrap(leading));
      stack.deliver(to, sign, lower, lifted, l.shl(rest, leading), pops);
    },
  );
}

/** A zero and a number: the number. Two zeros: plus zero unless both are negative. */
function addZero(l: Lift, { stack, a, b, to, pops }: Operands): void {
  const [zeroA, zeroB] = [isZero(l, a), isZero(l, b)];
  const one = l.op("i32.or", zeroA, zeroB);
  const goodA = l.op("i32.or", zeroA, isNormal(l, a));
  const goodB = l.op("i32.or", zeroB, isNormal(l, b));
  stack.demand(l.op("i32.and", one, l.op("i32.and", goodA, goodB)));
  const onlyA = l.op("i32.and", l.op("i32.eqz", zeroA), zeroB);
  const signs = l.select(l.op("i32.and", zeroA, zeroB), l.op("i32.and", a.sign, b.sign), b.sign);
  stack.store(
    to,
    l.or(a.significand, b.significand),
    l.op("i32.or", l.select(onlyA, a.sign, signs), l.op("i32.or", a.exponent, b.exponent)),
  );
  stack.conclude(stack.raised(l.i32(0), l.i32(0)), pops);
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

function multiplyNormal(l: Lift, { stack, a, b, to, pops }: Operands): void {
  const { high, low } = product(l, a.significand, b.significand);
  const sign = l.op("i32.xor", a.sign, b.sign);
  const sum = l.op("i32.sub", l.op("i32.add", a.exponent, b.exponent), l.i32(BIAS - 1));
  // from 1 to below 4: one place, or none
  const places = l.op("i64.clz", high);
  const lifted = l.or(l.shl(high, places), l.and(l.shrU(low, l.i64(63)), places));
  const exponent = l.op("i32.sub", sum, l.wrap(places));
  stack.deliver(to, sign, exponent, lifted, l.shl(low, places), pops);
}

/** A zero times a number or a zero. */
function multiplyZero(l: Lift, { stack, a, b, to, pops }: Operands): void {
  const [zeroA, zeroB] = [isZero(l, a), isZero(l, b)];
  const goodA = l.op("i32.or", zeroA, isNormal(l, a));
  const goodB = l.op("i32.or", zeroB, isNormal(l, b));
  stack.demand(l.op("i32.and", goodA, goodB));
  stack.store(to, l.i64(0), l.op("i32.xor", a.sign, b.sign));
  stack.conclude(stack.raised(l.i32(0), l.i32(0)), pops);
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

function divideNormal(l: Lift, { stack, a, b, to, pops }: Operands): void {
  const divisor = b.significand;
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
  const sign = l.op("i32.xor", a.sign, b.sign);
  const difference = l.op("i32.add", l.op("i32.sub", a.exponent, b.exponent), l.i32(BIAS));
  stack.deliver(to, sign, l.op("i32.sub", difference, l.wrap(below)), quotient, extra, pops);
}

/** A zero by a number. */
function divideZero(l: Lift, { stack, a, b, to, pops }: Operands): void {
  stack.demand(l.op("i32.and", isZero(l, a), isNormal(l, b)));
  stack.store(to, l.i64(0), l.op("i32.xor", a.sign, b.sign));
  stack.conclude(stack.raised(l.i32(0), l.i32(0)), pops);
}

// --- FSQRT -----------------------------------------------------------------------------------

function squareRoot(l: Lift): void {
  const stack = new Stack(l);
  stack.demandModes();
  const at = stack.top();
  stack.demand(l.op("i32.and", stack.isFull(at), l.i32(1)));
  const a = stack.load(at);
  l.if(isZero(l, a), () => stack.conclude(stack.raised(l.i32(0), l.i32(0)), 0));
  stack.demand(l.op("i32.and", isNormal(l, a), l.op("i32.eqz", a.sign)));
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
  stack.deliver(at, l.i32(0), exponent, root, extra, 0);
}

export const ARITHMETIC: readonly MicroFunction[] = [
  ...binary("x87_add", addNormal, addZero),
  ...binary("x87_multiply", multiplyNormal, multiplyZero),
  ...binary("x87_divide", divideNormal, divideZero),
  { name: "x87_square_root", parameters: [], build: squareRoot },
];

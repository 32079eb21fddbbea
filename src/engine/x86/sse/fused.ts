import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { absolute, isZero, type Shape, SINGLES, splat } from "./shapes.ts";

/**
 * a * b + c rounded once, out of operations that round each: the host has no
 * fused one. What is wrong for operands at the ends of the range comes out as a
 * NaN; other than that results are right for rounding to nearest.
 */
export interface Fused {
  readonly result: Value;
  /** Elements whose result of zero is exact. */
  readonly exactZero: Value;
  /** Elements whose result needed no rounding. */
  readonly isExact: Value;
}

export function fused(i: Instruction, shape: Shape, a: Value, b: Value, c: Value): Fused {
  return shape === SINGLES ? fusedSingles(i, a, b, c) : fusedDoubles(i, shape, a, b, c);
}

/** x + y and what its rounding lost (D. E. Knuth's two-sum). */
function twoSum(i: Instruction, x: Value, y: Value): readonly [sum: Value, rest: Value] {
  const sum = i.op("f64x2.add", x, y);
  const fromY = i.op("f64x2.sub", sum, x);
  const restX = i.op("f64x2.sub", x, i.op("f64x2.sub", sum, fromY));
  return [sum, i.op("f64x2.add", restX, i.op("f64x2.sub", y, fromY))];
}

/**
 * `sum` + `rest` rounded to odd, where `rest` is what rounding to nearest lost:
 * a later rounding to at least two bits less is then as if it were the only one
 * (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
 */
function toOdd(i: Instruction, sum: Value, rest: Value): Value {
  const one = i.op("i64x2.splat", i.i64(1));
  const isEven = i.op("i64x2.eq", i.op("v128.and", sum, one), i.v128(0n));
  const isInexact = i.op("f64x2.ne", rest, i.v128(0n));
  // Away from zero if the rest has the sum's sign.
  const towardsZero = i.op("i64x2.shr_s", i.op("v128.xor", sum, rest), i.i32(63));
  const step = i.op("v128.or", i.op("i64x2.shl", towardsZero, i.i32(1)), one);
  return i.op("i64x2.add", sum, i.op("v128.and", step, i.op("v128.and", isEven, isInexact)));
}

/** Products of singles are exact as doubles, and sums of them have bits to spare. */
function fusedSingles(i: Instruction, a: Value, b: Value, c: Value): Fused {
  const upper = (vector: Value): Value =>
    i.shuffle(vector, vector, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
  const wide = (vector: Value): Value => i.op("f64x2.promote_low_f32x4", vector);
  const narrow = (vector: Value): Value => i.op("f32x4.demote_f64x2_zero", vector);
  const join = (x: Value, y: Value): Value =>
    i.shuffle(x, y, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  const one = i.op("f64x2.splat", i.f64(1));
  const halves = [(vector: Value) => vector, upper].map((part) => {
    const product = i.op("f64x2.mul", wide(part(a)), wide(part(b)));
    const [sum, rest] = twoSum(i, product, wide(part(c)));
    const result = narrow(toOdd(i, sum, rest));
    const isNotZero = i.op("f64x2.ne", sum, i.v128(0n));
    const isInexact = i.op(
      "v128.or",
      i.op("f64x2.ne", rest, i.v128(0n)),
      i.op("f64x2.ne", wide(result), sum),
    );
    // Conditions as singles: 1 or 0.
    const asSingles = (condition: Value): Value => narrow(i.op("v128.and", condition, one));
    return { result, isNotZero: asSingles(isNotZero), isInexact: asSingles(isInexact) };
  });
  const [low, high] = halves as [(typeof halves)[0], (typeof halves)[0]];
  return {
    result: join(low.result, high.result),
    exactZero: isZero(i, SINGLES, join(low.isNotZero, high.isNotZero)),
    isExact: isZero(i, SINGLES, join(low.isInexact, high.isInexact)),
  };
}

/** x as a sum of two numbers of 26 bits (G. W. Veltkamp's splitting). */
function split(i: Instruction, x: Value): readonly [Value, Value] {
  const scaled = i.op("f64x2.mul", x, i.op("f64x2.splat", i.f64(134217729)));
  const high = i.op("f64x2.sub", scaled, i.op("f64x2.sub", scaled, x));
  return [high, i.op("f64x2.sub", x, high)];
}

/** Product and sum with their rests, then the sum of the rests to odd (Boldo and Melquiond). */
function fusedDoubles(i: Instruction, shape: Shape, a: Value, b: Value, c: Value): Fused {
  const mul = (x: Value, y: Value): Value => i.op("f64x2.mul", x, y);
  const add = (x: Value, y: Value): Value => i.op("f64x2.add", x, y);
  const sub = (x: Value, y: Value): Value => i.op("f64x2.sub", x, y);
  const product = mul(a, b);
  const [ah, al] = split(i, a);
  const [bh, bl] = split(i, b);
  const lost = sub(sub(sub(product, mul(ah, bh)), mul(al, bh)), mul(ah, bl));
  const productRest = sub(mul(al, bl), lost);
  const [th, tl] = twoSum(i, c, productRest);
  const [vh, vl] = twoSum(i, product, th);
  const [sum, rest] = twoSum(i, tl, vl);
  const rests = toOdd(i, sum, rest);
  const total = add(vh, rests);
  // The sign of zero is that of the plain sum, which is then exact.
  const signed = i.op("v128.bitselect", add(product, c), total, isZero(i, shape, total));
  // Where the product's rest is below the least denormal; no product of zeros is.
  const isSmall = i.op("f64x2.lt", absolute(i, shape, product), splat(i, shape, 2 ** -960));
  const hasZero = i.op("v128.or", isZero(i, shape, a), isZero(i, shape, b));
  const isLost = i.op("v128.andnot", isSmall, hasZero);
  return {
    result: i.op("v128.or", signed, isLost),
    exactZero: i.op("v128.not", isLost),
    isExact: isZero(i, shape, rests),
  };
}

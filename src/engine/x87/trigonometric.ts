import type { Context } from "./context.ts";
import { FRACTION_BITS, cosine as fixedCosine, sine as fixedSine } from "./fixed-point.ts";
import {
  BIAS,
  classify,
  denormalOperand,
  Float80,
  INFINITY,
  invalid,
  isDenormal,
  normalize,
  propagateNaN,
  QNAN,
  SIGN,
  ZERO,
} from "./float80.ts";
import { deliver, setOne, significand } from "./transcendental.ts";

const normal = new Float80();

/** pi/2 as every x87 has it for argument reduction: pi cut to 66 bits (Intel SDM vol. 1, 8.3.8). */
const HALF_PI_66 = 0xc90fdaa22168c234cn << (FRACTION_BITS - 67n);

const FIXED = -Number(FRACTION_BITS);
/** Arguments below 2^-40 equal their sine and tangent to more than 64 bits. */
const TINY = BIAS - 40;

/** How an operand is handled, once its special cases are done. */
const DONE = 0;
const OUT_OF_RANGE = 1;
const COMPUTE = 2;

/** Answers NaNs, infinities and unmasked denormals in `out`. */
function special(context: Context, out: Float80, a: Float80, kind: number): number {
  if (kind >= QNAN) propagateNaN(context, out, a, kind);
  else if (kind === INFINITY) invalid(context, out);
  else if ((a.signExponent & 0x7fff) >= BIAS + 63) return OUT_OF_RANGE;
  else if (!isDenormal(kind) || !denormalOperand(context)) return COMPUTE;
  return DONE;
}

interface Reduced {
  /** Which quarter turn, 0..3. */
  readonly quadrant: number;
  /** From it, at most pi/4 either way. */
  readonly rest: bigint;
}

/** |a| modulo a full turn, exactly but for pi itself. */
function reduce(a: Float80): Reduced {
  const shift = (a.signExponent & 0x7fff) - BIAS - 63;
  const x = significand(a) << (FRACTION_BITS + BigInt(shift));
  const turns = (x + (HALF_PI_66 >> 1n)) / HALF_PI_66;
  return { quadrant: Number(turns & 3n), rest: x - turns * HALF_PI_66 };
}

/** Sine of the angle `quadrant` quarter turns further than `rest`. */
function deliverSine(
  context: Context,
  out: Float80,
  sign: number,
  quadrant: number,
  rest: bigint,
): void {
  const value = (quadrant & 1) === 0 ? fixedSine(rest) : fixedCosine(rest);
  const negative = value < 0n !== ((quadrant & 2) !== 0);
  deliver(context, out, negative ? sign ^ SIGN : sign, value < 0n ? -value : value, FIXED, false);
}

/** sin x or tan x where they are x itself, a trace smaller or larger. */
function deliverTiny(context: Context, out: Float80, a: Float80, trace: bigint): void {
  const sign = a.signExponent & SIGN;
  let exponent = a.signExponent & 0x7fff;
  if (exponent === 0) {
    exponent = normalize(a, normal);
    a = normal;
  }
  deliver(context, out, sign, (significand(a) << 64n) + trace, exponent - BIAS - 127, false);
}

/** FSIN. False: |a| >= 2^63. */
export function sine(context: Context, out: Float80, a: Float80): boolean {
  const kind = classify(a);
  const next = special(context, out, a, kind);
  if (next !== COMPUTE) return next !== OUT_OF_RANGE;
  sineOf(context, out, a, kind);
  return true;
}

function sineOf(context: Context, out: Float80, a: Float80, kind: number): void {
  if (kind === ZERO) {
    out.copy(a);
    return;
  }
  if ((a.signExponent & 0x7fff) < TINY) {
    deliverTiny(context, out, a, -1n);
    return;
  }
  const { quadrant, rest } = reduce(a);
  deliverSine(context, out, a.signExponent & SIGN, quadrant, rest);
}

/** FCOS. False: |a| >= 2^63. */
export function cosine(context: Context, out: Float80, a: Float80): boolean {
  const kind = classify(a);
  const next = special(context, out, a, kind);
  if (next !== COMPUTE) return next !== OUT_OF_RANGE;
  cosineOf(context, out, a, kind);
  return true;
}

function cosineOf(context: Context, out: Float80, a: Float80, kind: number): void {
  if (kind === ZERO) {
    setOne(out, 0);
    return;
  }
  // one, less a trace
  if ((a.signExponent & 0x7fff) < TINY) {
    deliver(context, out, 0, (1n << 128n) - 1n, -128, false);
    return;
  }
  const { quadrant, rest } = reduce(a);
  deliverSine(context, out, 0, quadrant + 1, rest);
}

/** FSINCOS: `first` = sine, `pushed` = cosine. False: |a| >= 2^63. */
export function sineCosine(context: Context, first: Float80, pushed: Float80, a: Float80): boolean {
  const kind = classify(a);
  const next = special(context, first, a, kind);
  if (next === OUT_OF_RANGE) return false;
  if (next === DONE) {
    pushed.copy(first);
    return true;
  }
  cosineOf(context, pushed, a, kind);
  sineOf(context, first, a, kind);
  return true;
}

/** FPTAN: `first` = tangent, `pushed` = 1. False: |a| >= 2^63. */
export function tangent(context: Context, first: Float80, pushed: Float80, a: Float80): boolean {
  const kind = classify(a);
  const next = special(context, first, a, kind);
  if (next === OUT_OF_RANGE) return false;
  if (next === DONE) {
    pushed.copy(first);
    return true;
  }
  setOne(pushed, 0);
  if (kind === ZERO) {
    first.copy(a);
  } else if ((a.signExponent & 0x7fff) < TINY) {
    deliverTiny(context, first, a, 1n);
  } else {
    const { quadrant, rest } = reduce(a);
    const sin = fixedSine(rest);
    const cos = fixedCosine(rest);
    const value =
      (quadrant & 1) === 0 ? (sin << FRACTION_BITS) / cos : (-cos << FRACTION_BITS) / sin;
    const sign = (a.signExponent & SIGN) ^ (value < 0n ? SIGN : 0);
    deliver(context, first, sign, value < 0n ? -value : value, FIXED, false);
  }
  return true;
}

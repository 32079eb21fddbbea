import { type Context, PRECISION_64 } from "./context.ts";
import { bitLength } from "./fixed-point.ts";
import { BIAS, type Float80, INTEGER_BIT } from "./float80.ts";
import { roundPack } from "./round.ts";

/**
 * What the transcendental instructions share. Their results are correctly rounded,
 * which the manuals do not ask for (error below 1 ulp): real processors, of different
 * vendors and generations, differ among each other in the last bit, and in C1.
 */

/** The significand as an integer: a value is significand * 2^(exponent - BIAS - 63). */
export function significand(x: Float80): bigint {
  return (BigInt(x.hi >>> 0) << 32n) | BigInt(x.lo >>> 0);
}

/**
 * Delivers magnitude * 2^scale, positive, rounded to 64 bits.
 * @param exact false: the true value lies just above, by less than one unit of the magnitude
 */
export function deliver(
  context: Context,
  out: Float80,
  sign: number,
  magnitude: bigint,
  scale: number,
  exact: boolean,
): void {
  const length = bitLength(magnitude);
  const below = BigInt(length - 96);
  const top = below > 0n ? magnitude >> below : magnitude << -below;
  const lost = !exact || (below > 0n && top << below !== magnitude);
  const hi = Number(top >> 64n) | 0;
  const lo = Number((top >> 32n) & 0xffff_ffffn) | 0;
  const extra = Number(top & 0xffff_ffffn) | (lost ? 1 : 0);
  roundPack(context, out, sign, length - 1 + scale + BIAS, hi, lo, extra, PRECISION_64);
}

export function setOne(out: Float80, sign: number): void {
  out.set(sign | BIAS, INTEGER_BIT, 0);
}

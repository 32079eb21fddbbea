import { type Context, ZERO as TOWARDS_ZERO } from "./context.ts";
import { fromDecimal, toDecimal } from "./convert-decimal.ts";
import { fromFloat32, fromFloat64, toFloat32, toFloat64 } from "./convert-float.ts";
import { Float80, SIGN } from "./float80.ts";
import { setInteger, toInteger } from "./integral.ts";
import { OPERAND } from "./layout.ts";

/**
 * Numbers in memory: between the operand scratch of a window and 80 bits.
 */

/** True if the operand was a denormal single or double, which 80 bits do not show. */
export type Reader = (words: Int32Array, out: Float80) => boolean;
/** False if an unmasked overflow or underflow forbids the store. */
export type Writer = (context: Context, words: Int32Array, x: Float80) => boolean;

const LO = OPERAND >> 2;
const HI = LO + 1;
const EX = LO + 2;
const scratch = new Float80();

export function readFloat32(words: Int32Array, out: Float80): boolean {
  return fromFloat32(out, words[LO]);
}

export function readFloat64(words: Int32Array, out: Float80): boolean {
  return fromFloat64(out, words[HI], words[LO]);
}

export function readFloat80(words: Int32Array, out: Float80): boolean {
  out.set(words[EX] & 0xffff, words[HI], words[LO]);
  return false;
}

export function readInteger16(words: Int32Array, out: Float80): boolean {
  const value = (words[LO] << 16) >> 16;
  setInteger(out, value < 0 ? SIGN : 0, 0, Math.abs(value));
  return false;
}

export function readInteger32(words: Int32Array, out: Float80): boolean {
  const value = words[LO];
  setInteger(out, value < 0 ? SIGN : 0, 0, value < 0 ? -value | 0 : value);
  return false;
}

export function readInteger64(words: Int32Array, out: Float80): boolean {
  const lo = words[LO];
  const hi = words[HI];
  if (hi >= 0) setInteger(out, 0, hi, lo);
  else setInteger(out, SIGN, (~hi + (lo === 0 ? 1 : 0)) | 0, -lo | 0);
  return false;
}

export function readDecimal(words: Int32Array, out: Float80): boolean {
  fromDecimal(out, words[LO], words[HI], words[EX] & 0xffff);
  return false;
}

export function writeFloat32(context: Context, words: Int32Array, x: Float80): boolean {
  const storable = toFloat32(context, scratch, x);
  words[LO] = scratch.lo;
  return storable;
}

export function writeFloat64(context: Context, words: Int32Array, x: Float80): boolean {
  const storable = toFloat64(context, scratch, x);
  words[LO] = scratch.lo;
  words[HI] = scratch.hi;
  return storable;
}

export function writeFloat80(_context: Context, words: Int32Array, x: Float80): boolean {
  return write(words, x);
}

export function writeDecimal(context: Context, words: Int32Array, x: Float80): boolean {
  toDecimal(context, scratch, x);
  return write(words, scratch);
}

/** FIST: rounded by RC. */
export function integerWriter(bits: 16 | 32 | 64): Writer {
  return (context, words, x) => {
    toInteger(context, scratch, x, bits, context.rounding);
    return write(words, scratch);
  };
}

/** FISTTP: truncated. */
export function truncatingWriter(bits: 16 | 32 | 64): Writer {
  return (context, words, x) => {
    toInteger(context, scratch, x, bits, TOWARDS_ZERO);
    return write(words, scratch);
  };
}

function write(words: Int32Array, x: Float80): true {
  words[LO] = x.lo;
  words[HI] = x.hi;
  words[EX] = x.signExponent;
  return true;
}

import { type Context, ZERO as TOWARDS_ZERO } from "./context.ts";
import { fromDecimal, toDecimal } from "./convert-decimal.ts";
import { fromFloat32, fromFloat64, toFloat32, toFloat64 } from "./convert-float.ts";
import { Float80, SIGN } from "./float80.ts";
import { setInteger, toInteger } from "./integral.ts";
import { OPERAND } from "./layout.ts";
import type { MemoryKind } from "./row.ts";

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

function readFloat32(words: Int32Array, out: Float80): boolean {
  return fromFloat32(out, words[LO]);
}

function readFloat64(words: Int32Array, out: Float80): boolean {
  return fromFloat64(out, words[HI], words[LO]);
}

function readFloat80(words: Int32Array, out: Float80): boolean {
  out.set(words[EX] & 0xffff, words[HI], words[LO]);
  return false;
}

function readInteger16(words: Int32Array, out: Float80): boolean {
  const value = (words[LO] << 16) >> 16;
  setInteger(out, value < 0 ? SIGN : 0, 0, Math.abs(value));
  return false;
}

function readInteger32(words: Int32Array, out: Float80): boolean {
  const value = words[LO];
  setInteger(out, value < 0 ? SIGN : 0, 0, value < 0 ? -value | 0 : value);
  return false;
}

function readInteger64(words: Int32Array, out: Float80): boolean {
  const lo = words[LO];
  const hi = words[HI];
  if (hi >= 0) setInteger(out, 0, hi, lo);
  else setInteger(out, SIGN, (~hi + (lo === 0 ? 1 : 0)) | 0, -lo | 0);
  return false;
}

function readDecimal(words: Int32Array, out: Float80): boolean {
  fromDecimal(out, words[LO], words[HI], words[EX] & 0xffff);
  return false;
}

function writeFloat32(context: Context, words: Int32Array, x: Float80): boolean {
  const storable = toFloat32(context, scratch, x);
  words[LO] = scratch.lo;
  return storable;
}

function writeFloat64(context: Context, words: Int32Array, x: Float80): boolean {
  const storable = toFloat64(context, scratch, x);
  words[LO] = scratch.lo;
  words[HI] = scratch.hi;
  return storable;
}

function writeFloat80(_context: Context, words: Int32Array, x: Float80): boolean {
  return write(words, x);
}

function writeDecimal(context: Context, words: Int32Array, x: Float80): boolean {
  toDecimal(context, scratch, x);
  return write(words, scratch);
}

/** FIST: rounded by RC. */
function integerWriter(bits: 16 | 32 | 64): Writer {
  return (context, words, x) => {
    toInteger(context, scratch, x, bits, context.rounding);
    return write(words, scratch);
  };
}

/** FISTTP: truncated. */
function truncatingWriter(bits: 16 | 32 | 64): Writer {
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

export type NumberKind = Exclude<MemoryKind, "m2byte" | "m14/28byte" | "m94/108byte">;

/** What fits into a register. */
export type WordKind = NumberKind | "m2byte";

/** FSTENV's and FSAVE's. */
export function isImage(kind: MemoryKind): kind is Exclude<MemoryKind, WordKind> {
  return kind === "m14/28byte" || kind === "m94/108byte";
}

export type IntegerKind = "m16int" | "m32int" | "m64int";

export const READERS: Readonly<Record<NumberKind, Reader>> = {
  m16int: readInteger16,
  m32int: readInteger32,
  m64int: readInteger64,
  m32fp: readFloat32,
  m64fp: readFloat64,
  m80fp: readFloat80,
  m80bcd: readDecimal,
};

export const WRITERS: Readonly<Record<NumberKind, Writer>> = {
  m16int: integerWriter(16),
  m32int: integerWriter(32),
  m64int: integerWriter(64),
  m32fp: writeFloat32,
  m64fp: writeFloat64,
  m80fp: writeFloat80,
  m80bcd: writeDecimal,
};

/** Of FISTTP. */
export const TRUNCATING_WRITERS: Readonly<Record<IntegerKind, Writer>> = {
  m16int: truncatingWriter(16),
  m32int: truncatingWriter(32),
  m64int: truncatingWriter(64),
};

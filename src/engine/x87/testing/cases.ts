/**
 * Random x87 cases for the tests, biased to where arithmetic goes wrong: exponents at
 * and beside every limit, significands beside powers of two and halfway points, NaNs,
 * infinities, denormals, unsupported forms, empty registers, unmasked exceptions.
 */
import type { MemoryKind } from "../row.ts";
import { x87Row } from "../table.ts";
import { CODE, CODE_LENGTH, FLAGS, IMAGE, MEMORY, RECORD_BYTES, rowOf } from "./record.ts";

/** Marsaglia's xorshift32, scrambled: repeatable, and good enough for picking cases. */
export class Random {
  #state: number;

  /** @param seed not 0 */
  constructor(seed: number) {
    this.#state = seed | 0;
    for (let i = 0; i < 16; i++) this.word();
  }

  /** 32 bits, signed. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e3779b1) ^ (x >>> 15);
  }

  /** 0 .. limit-1 */
  below(limit: number): number {
    return (this.word() >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}

const EDGE_EXPONENTS = [
  0,
  1,
  2,
  62,
  63,
  64,
  65,
  0x3ffe,
  0x3fff,
  0x4000,
  0x7ffd,
  0x7ffe,
  0x7fff,
  0x3fff - 1074,
  0x3fff - 1023,
  0x3fff - 1022,
  0x3fff - 149,
  0x3fff - 127,
  0x3fff - 126,
  0x3fff + 127,
  0x3fff + 128,
  0x3fff + 1023,
  0x3fff + 1024,
  0x3fff + 14,
  0x3fff + 15,
  0x3fff + 30,
  0x3fff + 31,
  0x3fff + 59,
  0x3fff + 62,
  0x3fff + 63,
  0x3fff + 64,
  0x3fff - 24576,
  0x2000,
  0x6000,
];

/** A significand: dense, sparse, all ones in a run, or a halfway case of some width. */
function significand(random: Random): bigint {
  const dense = (BigInt(random.word() >>> 0) << 32n) | BigInt(random.word() >>> 0);
  switch (random.below(8)) {
    case 0:
      return 1n << 63n;
    case 1:
      return (1n << 64n) - 1n - (random.chance(50) ? 1n << BigInt(random.below(64)) : 0n);
    case 2:
      return (1n << 63n) | (1n << BigInt(random.below(64)));
    case 3: {
      // halfway, or beside it, at 24, 53 or another number of bits
      const half = 1n << BigInt(random.pick([39, 10, random.below(63)]));
      const upper = dense & ~(2n * half - 1n);
      return upper | (half + BigInt(random.below(3)) - 1n);
    }
    case 4:
      return dense & (dense << 13n) & (dense >> 7n) & ((1n << 64n) - 1n);
    case 5:
      return BigInt(random.below(4));
    case 6:
      // as converted from a double
      return dense & ~0x7ffn;
    default:
      return dense;
  }
}

/** 80 bits, sign and exponent uppermost. */
function float80(random: Random, near?: bigint): bigint {
  let exponent: number;
  switch (random.below(6)) {
    case 0:
      exponent = random.pick(EDGE_EXPONENTS);
      break;
    case 1:
      exponent = random.below(0x8000);
      break;
    case 2:
      exponent = 0x3fff + random.below(160) - 80;
      break;
    case 3:
      if (near !== undefined) {
        exponent = Number((near >> 64n) & 0x7fffn) + random.below(140) - 70;
        exponent = Math.min(Math.max(exponent, 0), 0x7fff);
        break;
      }
      exponent = 0x3fff + random.below(70);
      break;
    default:
      exponent = 0x3fff + random.below(8) - 4;
  }
  let bits = significand(random);
  if (exponent === 0) {
    if (random.chance(80)) bits >>= BigInt(random.below(64));
  } else if (exponent === 0x7fff) {
    bits &= random.pick([0n, 0xffn, (1n << 63n) - 1n]);
    if (random.chance(90)) bits |= 1n << 63n;
    if (random.chance(40)) bits |= 1n << 62n;
  } else if (random.chance(98)) {
    bits |= 1n << 63n;
  }
  if (random.chance(3)) {
    exponent = 0;
    bits = 0n;
  }
  if (near !== undefined && random.chance(6)) {
    bits = near & ((1n << 64n) - 1n);
    if (random.chance(50)) exponent = Number((near >> 64n) & 0x7fffn);
  }
  const sign = random.chance(50) ? 1n : 0n;
  return (sign << 79n) | (BigInt(exponent) << 64n) | bits;
}

function float64(random: Random): bigint {
  const exponent = random.pick([
    0,
    0,
    1,
    2,
    0x3fe,
    0x3ff,
    0x400,
    0x7fe,
    0x7ff,
    random.below(0x800),
  ]);
  let fraction = significand(random) & ((1n << 52n) - 1n);
  if (random.chance(20)) fraction = random.chance(50) ? 0n : 1n << BigInt(random.below(52));
  return (BigInt(random.below(2)) << 63n) | (BigInt(exponent) << 52n) | fraction;
}

function float32(random: Random): bigint {
  const exponent = random.pick([0, 0, 1, 2, 126, 127, 128, 254, 255, random.below(256)]);
  let fraction = random.word() & 0x7fffff;
  if (random.chance(20)) fraction = random.chance(50) ? 0 : 1 << random.below(23);
  return (BigInt(random.below(2)) << 31n) | BigInt(((exponent << 23) | fraction) >>> 0);
}

function integer(random: Random, bits: number): bigint {
  const all = significand(random) >> BigInt(64 - bits);
  return random.chance(50) ? all : BigInt.asUintN(bits, BigInt(random.below(2001) - 1000));
}

/** Packed BCD with valid digits: what other digits mean is not defined. */
function decimal(random: Random): bigint {
  let value = BigInt(random.below(2)) << 79n;
  const count = random.below(19);
  for (let place = 0; place < count; place++)
    value |= BigInt(random.below(10)) << BigInt(4 * place);
  return value;
}

/** The code of every register form and, at (%rsi), of every memory form and image format. */
export function allCodes(): number[][] {
  const codes: number[][] = [];
  for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
    const modrms = [0x06, 0x0e, 0x16, 0x1e, 0x26, 0x2e, 0x36, 0x3e];
    for (let modrm = 0xc0; modrm < 0x100; modrm++) modrms.push(modrm);
    for (const modrm of modrms) {
      const row = x87Row(opcode, modrm);
      if (row !== undefined) codes.push([opcode, modrm]);
      if (row !== undefined && isImage(row.memory)) codes.push([0x66, opcode, modrm]);
    }
  }
  const fxsave = [0x0f, 0xae, 0x06];
  const fxrstor = [0x0f, 0xae, 0x0e];
  return [...codes, fxsave, fxrstor];
}

function isImage(kind: MemoryKind | null): boolean {
  return kind === "m14/28byte" || kind === "m94/108byte";
}

/** Fills a record with a random case of an instruction. */
export function randomCase(random: Random, code: readonly number[], record: Uint8Array): void {
  const out = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
  record.fill(0);
  record[CODE_LENGTH] = code.length;
  record.set(code, CODE);
  out.setUint32(FLAGS, 0x202 | (random.word() & 0x8d5), true);
  randomImage(random, out, IMAGE, false);
  if (code[0] === 0x0f) {
    randomExtended(random, out);
  } else if (isImage(rowOf(record).memory)) {
    if (code[0] === 0x66) randomNarrowImage(random, out);
    else randomImage(random, out, MEMORY, true);
  } else {
    const operand = randomOperand(random, rowOf(record).memory);
    out.setBigUint64(MEMORY, BigInt.asUintN(64, operand), true);
    out.setUint16(MEMORY + 8, Number(operand >> 64n), true);
  }
}

/** At most 80 bits. */
function randomOperand(random: Random, kind: MemoryKind | null): bigint {
  switch (kind) {
    case "m32fp":
      return float32(random);
    case "m64fp":
      return float64(random);
    case "m80fp":
      return float80(random);
    case "m80bcd":
      return decimal(random);
    case "m16int":
    case "m32int":
      return integer(random, 32);
    case "m64int":
      return integer(random, 64);
    default:
      return significand(random);
  }
}

/** The 94-byte form of an image, by 16-bit words. */
function randomNarrowImage(random: Random, out: DataView): void {
  randomImage(random, out, MEMORY, true);
  for (let word = 0; word < 7; word++) {
    out.setUint16(MEMORY + 2 * word, out.getUint16(MEMORY + 4 * word, true), true);
  }
  for (let at = 14; at < 94; at++) out.setUint8(MEMORY + at, random.word() & 0xff);
}

/** An FXSAVE image: control, status and tag bytes as in an FSAVE image, a sane MXCSR. */
function randomExtended(random: Random, out: DataView): void {
  const words = [0, 4].map((at) => {
    randomImage(random, out, MEMORY, true);
    return out.getUint16(MEMORY + at, true);
  });
  for (let at = 0; at < 160; at++) out.setUint8(MEMORY + at, random.word() & 0xff);
  for (const [i, word] of words.entries()) out.setUint16(MEMORY + 2 * i, word, true);
  out.setUint32(MEMORY + 24, 0x1f80, true);
  for (let i = 0; i < 8; i++) {
    const number = float80(random);
    out.setBigUint64(MEMORY + 32 + 16 * i, BigInt.asUintN(64, number), true);
    out.setUint16(MEMORY + 40 + 16 * i, Number(number >> 64n), true);
  }
}

/** @param pending allow unmasked exceptions to be pending */
function randomImage(random: Random, out: DataView, at: number, pending: boolean): void {
  const masks = random.chance(60) ? 0x3f : random.word() & 0x3f;
  const precision = random.pick([3, 3, 3, 2, 0, random.below(4)]);
  const control =
    0x40 | masks | (precision << 8) | (random.below(4) << 10) | (random.chance(5) ? 0x1000 : 0);
  let status = random.chance(50) ? 0 : random.word() & 0x477f;
  if (!pending) status &= masks | ~0x3f;
  const top = random.below(8);
  status |= top << 11;
  let tags = 0;
  const emptyPercent = random.pick([2, 2, 50]);
  for (let i = 0; i < 8; i++) {
    const empty = i === 7 ? !random.chance(emptyPercent) : random.chance(emptyPercent);
    if (empty) tags |= 3 << (2 * ((top + i) & 7));
  }
  out.setUint32(at, 0xffff_0000 | control, true);
  out.setUint32(at + 4, 0xffff_0000 | status, true);
  out.setUint32(at + 8, 0xffff_0000 | tags, true);
  let previous: bigint | undefined;
  for (let i = 0; i < 8; i++) {
    const number = float80(random, previous);
    const to = at + 28 + 10 * i;
    out.setBigUint64(to, BigInt.asUintN(64, number), true);
    out.setUint16(to + 8, Number(number >> 64n), true);
    if (i === 0) previous = number;
  }
}

import { AT, type Case } from "./case.ts";
import type { Random } from "./random.ts";

/**
 * Values at which instructions go wrong: limits and their neighbours, single bits, runs of bits;
 * in floating point every class, exponents near limits and near each other, halfway cases.
 */

/** Low and high words. */
const EDGES: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 0],
  [0x7f, 0],
  [0x80, 0],
  [0xff, 0],
  [0x7fff, 0],
  [0x8000, 0],
  [0xffff, 0],
  [0x7fff_ffff, 0],
  [0x8000_0000, 0],
  [0xffff_ffff, 0],
  [0, 1],
  [0xffff_ffff, 0x7fff_ffff],
  [0, 0x8000_0000],
  [0xffff_ffff, 0xffff_ffff],
  [0xffff_ff80, 0xffff_ffff],
  [0x8000_0000, 0xffff_ffff],
  [0x5555_5555, 0x5555_5555],
];

/** Puts an integer of 64 bits at a byte offset. */
export function integer(random: Random, view: DataView, at: number): void {
  let lo = random.u32();
  let hi = random.u32();
  switch (random.below(8)) {
    case 0:
    case 1:
      [lo, hi] = random.pick(EDGES);
      break;
    case 2:
      lo &= 0xff;
      hi = 0;
      break;
    case 3: {
      const small = random.below(41) - 20;
      lo = small;
      hi = small >> 31;
      break;
    }
    case 4: {
      const bit = random.below(64);
      lo = bit < 32 ? 1 << bit : 0;
      hi = bit < 32 ? 0 : 1 << (bit - 32);
      break;
    }
    case 5:
      lo &= random.u32() & random.u32();
      hi &= random.u32() & random.u32();
      break;
    default:
  }
  view.setUint32(at, lo, true);
  view.setUint32(at + 4, hi, true);
}

/** A biased exponent: of a class, beside a limit, or near where integers and fractions end. */
function exponent(random: Random, bias: number, fraction: number, near: number): number {
  const top = 2 * bias + 1;
  if (near >= 0 && random.oneIn(3)) {
    // so that sums cancel, and products and quotients come to the limits
    const base = random.oneIn(2) ? near : 2 * bias - near;
    const shift = random.pick([0, 0, fraction, bias, -bias]);
    return Math.min(Math.max(base + shift + random.below(7) - 3, 0), top);
  }
  switch (random.below(8)) {
    case 0:
      return 0;
    case 1:
      return random.below(4);
    case 2:
      return top;
    case 3:
      return top - 1 - random.below(4);
    case 4:
      return bias + random.pick([-2, -1, 0, 1, fraction - 1, fraction, fraction + 1]);
    case 5:
      return bias + random.pick([7, 14, 15, 16, 30, 31, 32, 62, 63, 64]);
    default:
      return random.below(top + 1);
  }
}

/** A fraction field of up to 52 bits: dense, sparse, all ones, or halfway at some width. */
function fractionHigh(random: Random, bits: number): number {
  const mask = bits >= 32 ? 0xffff_ffff : 2 ** bits - 1;
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return mask;
    case 2:
      return (1 << (bits - 1)) & mask;
    case 3:
      return (random.u32() << random.below(bits)) & mask;
    default:
      return random.u32() & mask;
  }
}

export function single(random: Random, view: DataView, at: number, near = -1): number {
  const biased = Math.min(exponent(random, 127, 23, near), 255);
  const fraction = fractionHigh(random, 23) ^ (random.oneIn(4) ? 1 : 0);
  const sign = random.u32() & 0x8000_0000;
  view.setUint32(at, sign | (biased << 23) | fraction, true);
  return biased;
}

export function double(random: Random, view: DataView, at: number, near = -1): number {
  const biased = Math.min(exponent(random, 1023, 52, near), 2047);
  const sign = random.u32() & 0x8000_0000;
  const low = random.pick([0, 0, 1, 0xffff_ffff, random.u32(), 0x2000_0000, 0x1000_0000]);
  view.setUint32(at, low, true);
  view.setUint32(at + 4, sign | (biased << 20) | fractionHigh(random, 20), true);
  return biased;
}

const EXTENDED_EXPONENTS = [0, 1, 2, 62, 63, 64, 65, 0x7ffd, 0x7ffe, 0x7fff, 0x2000, 0x6000];
/** Of narrower formats and integers, from the bias. */
const EXTENDED_DISTANCES = [
  ...[-24576, -1074, -1023, -1022, -149, -127, -126, -2, -1, 0, 1, 14, 15, 16, 30, 31, 32],
  ...[59, 62, 63, 64, 65, 127, 128, 1023, 1024],
];

/** 80 bits of the x87's format, with unsupported encodings among them. */
export function extended(random: Random, view: DataView, at: number, near = -1): number {
  let biased: number;
  switch (random.below(7)) {
    case 0:
      biased = random.pick(EXTENDED_EXPONENTS);
      break;
    case 1:
      biased = 0x3fff + random.pick(EXTENDED_DISTANCES);
      break;
    case 2:
      biased = random.below(0x8000);
      break;
    case 3:
      biased = 0x3fff + random.below(160) - 80;
      break;
    case 4:
      biased = (near >= 0 ? near - 70 : 0x3fff) + random.below(140);
      break;
    default:
      biased = 0x3fff + random.below(8) - 4;
  }
  biased = Math.min(Math.max(biased, 0), 0x7fff);
  let lo = random.u32();
  let hi = random.u32();
  switch (random.below(8)) {
    case 0:
      lo = 0;
      hi = 0x8000_0000;
      break;
    case 1:
      lo = hi = 0xffff_ffff;
      if (random.oneIn(2)) lo ^= 1 << random.below(32);
      break;
    case 2:
      lo = random.oneIn(2) ? 1 << random.below(32) : 0;
      hi = 0x8000_0000 | (lo === 0 ? 1 << random.below(32) : 0);
      break;
    case 3:
      // halfway, or beside it, at 24 bits
      lo = random.below(3) - 1;
      hi = ((hi & 0xffff_ff00) | 0x80) + (lo < 0 ? -1 : 0);
      break;
    case 4:
      // halfway, or beside it, at 53 bits
      lo = ((lo & 0xffff_f800) | 0x400) + random.below(3) - 1;
      break;
    case 5:
      lo &= 0xffff_f800;
      break;
    default:
  }
  if (biased === 0) {
    if (!random.oneIn(5)) {
      const shift = random.below(64);
      lo = shift >= 32 ? hi >>> (shift - 32) : (lo >>> shift) | (shift ? hi << (32 - shift) : 0);
      hi = shift >= 32 ? 0 : hi >>> shift;
    }
  } else if (biased === 0x7fff) {
    if (random.oneIn(3)) lo = hi = 0;
    hi &= 0x7fff_ffff;
    if (!random.oneIn(10)) hi |= 0x8000_0000;
    if (random.oneIn(2)) hi |= 0x4000_0000;
  } else if (!random.oneIn(50)) hi |= 0x8000_0000;
  if (random.oneIn(30)) biased = lo = hi = 0;
  view.setUint32(at, lo, true);
  view.setUint32(at + 4, hi, true);
  view.setUint16(at + 8, biased | (random.u32() & 0x8000), true);
  return biased;
}

/** Packed BCD with valid digits: what other digits mean is not defined (SDM vol. 1, 4.7). */
export function decimal(random: Random, view: DataView, at: number): void {
  const count = random.below(10);
  for (let k = 0; k < 9; k++)
    view.setUint8(at + k, k < count ? random.below(10) * 16 + random.below(10) : 0);
  view.setUint8(at + 9, random.oneIn(2) ? 0x80 : 0);
}

export type Kind = "integers" | "singles" | "doubles" | "bytes" | "ordinary";
const KINDS: readonly Kind[] = ["integers", "singles", "doubles", "bytes", "ordinary"];

function ordinaryNumber(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return random.pick([0, 1, -1, 0.5, 3, 1e9]);
    case 1:
      return random.below(100);
    case 2:
      return random.u32() / 1000;
    case 3:
      return -random.u32() / 3;
    default:
      return (random.u32() - 2 ** 31) * 2 ** (random.below(60) - 40);
  }
}

/** Fills a multiple of 8 bytes with elements of one kind. */
function elements(random: Random, kind: Kind, view: DataView, at: number, bytes: number): void {
  let near = -1;
  const narrow = random.oneIn(2);
  for (let k = at; k < at + bytes; k += 8) {
    switch (kind) {
      case "integers":
        integer(random, view, k);
        break;
      case "singles":
        near = single(random, view, k, near);
        near = single(random, view, k + 4, near);
        break;
      case "doubles":
        near = double(random, view, k, near);
        break;
      case "bytes":
        for (let i = k; i < k + 8; i++)
          view.setUint8(i, random.pick([0, 1, 0x7f, 0x80, 0xff, random.u32() & 0xff]));
        break;
      case "ordinary":
        if (narrow) {
          view.setFloat32(k, ordinaryNumber(random), true);
          view.setFloat32(k + 4, ordinaryNumber(random), true);
        } else view.setFloat64(k, ordinaryNumber(random), true);
        break;
    }
  }
}

/**
 * Bulk values. Making them costs more than running a case, so they come from a pool that is
 * renewed bit by bit.
 */
export class Pool {
  static readonly #CHUNK = 512;
  static readonly #CHUNKS = 64;
  readonly #random: Random;
  readonly #chunks: Record<Kind, DataView>;
  readonly #extended = new DataView(new ArrayBuffer(16 * 1024));

  constructor(random: Random) {
    this.#random = random;
    const make = (): DataView => new DataView(new ArrayBuffer(Pool.#CHUNK * Pool.#CHUNKS));
    this.#chunks = {
      integers: make(),
      singles: make(),
      doubles: make(),
      bytes: make(),
      ordinary: make(),
    };
    for (const kind of KINDS)
      elements(random, kind, this.#chunks[kind], 0, Pool.#CHUNK * Pool.#CHUNKS);
    for (let k = 0; k < 1024; k++) this.#newExtended(k);
  }

  #newExtended(index: number): void {
    const near = this.#extended.getUint16(16 * ((index + 1023) % 1024) + 8, true) & 0x7fff;
    extended(this.#random, this.#extended, 16 * index, near);
  }

  /** Renews a part. */
  renew(): void {
    const kind = this.#random.pick(KINDS);
    const at = 64 * this.#random.below((Pool.#CHUNK * Pool.#CHUNKS) / 64);
    elements(this.#random, kind, this.#chunks[kind], at, 64);
    for (let k = 0; k < 4; k++) this.#newExtended(this.#random.below(1024));
  }

  kind(): Kind {
    return this.#random.pick(KINDS);
  }

  /** Copies values to an offset; `bytes` up to 512. */
  take(record: Case, at: number, bytes: number, kind: Kind): void {
    const chunk = this.#chunks[kind];
    const from = 8 * this.#random.below((chunk.byteLength - bytes) / 8);
    record.u8.set(new Uint8Array(chunk.buffer, from, bytes), at);
  }

  /** Fills the x87 stack; neighbours have something to do with each other. */
  takeStack(record: Case): void {
    const from = 16 * this.#random.below(1024 - 8);
    record.u8.set(new Uint8Array(this.#extended.buffer, from, 128), AT.st);
  }
}

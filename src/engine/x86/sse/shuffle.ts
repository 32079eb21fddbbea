import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { bytes } from "./operands.ts";

/** Rearrangements that an immediate chooses. Indices of 16 and more select zero bytes. */

/** 0, 1, 2 .. 15. */
export function identity(i: Instruction): Value {
  return bytes(i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/** Result byte k is byte k + `distance` (i32, -16..32 or it counts as such) of a vector, zero outside. */
export function shiftBytes(i: Instruction, vector: Value, distance: Value): Value {
  const limited = i.select(i.op("i32.gt_s", distance, i.i32(32)), i.i32(32), distance);
  return i.op(
    "i8x16.swizzle",
    vector,
    i.op("i8x16.add", identity(i), i.op("i8x16.splat", limited)),
  );
}

/** Byte indices of 4 elements of 32 bits, chosen by 2 bits each of `control` (i32). */
export function doubleWordIndices(i: Instruction, control: Value): Value {
  const fields = i.op("v128.and", i.op("i32x4.splat", control), i.v128(words(3, 0xc, 0x30, 0xc0)));
  // Each field to bits 7:6, then to bits 3:2 of every byte.
  const aligned = i.op("i32x4.mul", fields, i.v128(words(64, 16, 4, 1)));
  const index = i.op("i32x4.shr_u", aligned, i.i32(6));
  const everywhere = i.op(
    "i32x4.mul",
    index,
    i.v128(words(0x04040404, 0x04040404, 0x04040404, 0x04040404)),
  );
  return i.op(
    "i32x4.add",
    everywhere,
    i.v128(words(0x03020100, 0x03020100, 0x03020100, 0x03020100)),
  );
}

/** Byte indices of 4 elements of 16 bits in the low half, as above; the high half is unspecified. */
export function wordIndices(i: Instruction, control: Value): Value {
  const fields = i.op("v128.and", i.op("i16x8.splat", control), i.v128(halves(3, 0xc, 0x30, 0xc0)));
  const aligned = i.op("i16x8.mul", fields, i.v128(halves(64, 16, 4, 1)));
  const index = i.op("i16x8.shr_u", aligned, i.i32(6));
  const everywhere = i.op("i16x8.mul", index, i.v128(halves(0x0202, 0x0202, 0x0202, 0x0202)));
  return i.op("i16x8.add", everywhere, i.v128(halves(0x0100, 0x0100, 0x0100, 0x0100)));
}

function words(...values: readonly number[]): bigint {
  return values.reduceRight((sum, value) => (sum << 32n) | BigInt(value), 0n);
}

function halves(...values: readonly number[]): bigint {
  const low = values.reduceRight((sum, value) => (sum << 16n) | BigInt(value), 0n);
  return (low << 64n) | low;
}

/** All ones in the elements whose bit of `control` (i32) is set; 2, 4 or 8 elements. */
export function maskOfBits(i: Instruction, control: Value, elements: 2 | 4 | 8): Value {
  const shape = elements === 2 ? "i64x2" : elements === 4 ? "i32x4" : "i16x8";
  const width = BigInt(128 / elements);
  let bits = 0n;
  for (let k = 0n; k < elements; k++) bits |= (1n << k) << (k * width);
  const value = elements === 2 ? i.extend(control) : control;
  const each = i.v128(bits);
  return i.op(`${shape}.eq`, i.op("v128.and", i.op(`${shape}.splat`, value), each), each);
}

/** All ones in element `index` (i32, in range) of `shape`. */
export function maskOfElement(
  i: Instruction,
  shape: "i8x16" | "i16x8" | "i32x4" | "i64x2",
  index: Value,
): Value {
  const count = { i8x16: 16, i16x8: 8, i32x4: 4, i64x2: 2 }[shape];
  const width = BigInt(128 / count);
  let numbers = 0n;
  for (let k = 0n; k < count; k++) numbers |= k << (k * width);
  const wanted = shape === "i64x2" ? i.extend(index) : index;
  return i.op(`${shape}.eq`, i.v128(numbers), i.op(`${shape}.splat`, wanted));
}

import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { DOUBLE_EXTENT, type Extent, SINGLE_EXTENT } from "./range.ts";

/** Vectors of singles and doubles, their elements, and conditions on them. */

/** A vector of floating-point elements in WebAssembly's words. */
export interface Shape {
  readonly suffix: "s" | "d";
  /** Vector and element types of the operations. */
  readonly vector: "f32x4" | "f64x2";
  readonly element: "f32" | "f64";
  /** The integer vector with elements of the same width. */
  readonly integer: "i32x4" | "i64x2";
  /** Bitmask with every element set. */
  readonly all: number;
  /** Least normal number. */
  readonly normal: number;
  readonly extent: Extent;
}

export const SINGLES: Shape = {
  suffix: "s",
  vector: "f32x4",
  element: "f32",
  integer: "i32x4",
  all: 0xf,
  normal: 2 ** -126,
  extent: SINGLE_EXTENT,
};
export const DOUBLES: Shape = {
  suffix: "d",
  vector: "f64x2",
  element: "f64",
  integer: "i64x2",
  all: 3,
  normal: 2 ** -1022,
  extent: DOUBLE_EXTENT,
};

/** ps, pd, ss, sd: mandatory prefix, shape, operand types. */
export const FORMS = [
  { prefix: "NP", name: "ps", shape: SINGLES, packed: true },
  { prefix: "66", name: "pd", shape: DOUBLES, packed: true },
  { prefix: "F3", name: "ss", shape: SINGLES, packed: false },
  { prefix: "F2", name: "sd", shape: DOUBLES, packed: false },
] as const;

export function splat(i: Instruction, shape: Shape, value: number): Value {
  return i.op(`${shape.vector}.splat`, shape.element === "f32" ? i.f32(value) : i.f64(value));
}

export function absolute(i: Instruction, shape: Shape, a: Value): Value {
  return i.op(`${shape.vector}.abs`, a);
}

/** Element 0. */
export function low(i: Instruction, shape: Shape, vector: Value): Value {
  return i.lane(`${shape.vector}.extract_lane`, 0, vector);
}

export function withLow(i: Instruction, shape: Shape, vector: Value, element: Value): Value {
  return i.lane(`${shape.vector}.replace_lane`, 0, vector, element);
}

/** As {@link either}, where both hold. */
export function both(i: Instruction, x: Value, y: Value): Value {
  return i.op(x.type === "v128" ? "v128.and" : "i32.and", x, y);
}

/** Which elements satisfy a condition, as an i32 of bits. */
export function bitmask(i: Instruction, shape: Shape, condition: Value): Value {
  return i.op(`${shape.integer}.bitmask`, condition);
}

/** Whether a condition holds for all elements that count (element 0, if not packed). */
export function every(i: Instruction, shape: Shape, packed: boolean, condition: Value): Value {
  const bits = bitmask(i, shape, condition);
  return packed ? i.op("i32.eq", bits, i.i32(shape.all)) : i.op("i32.and", bits, i.i32(1));
}

/** a <op> constant for all elements that count, as i32 0 or 1. */
export function compareAll(
  i: Instruction,
  shape: Shape,
  packed: boolean,
  op: "gt" | "lt" | "le" | "ge",
  a: Value,
  constant: number,
): Value {
  if (packed)
    return every(i, shape, true, i.op(`${shape.vector}.${op}`, a, splat(i, shape, constant)));
  const bound = shape.element === "f32" ? i.f32(constant) : i.f64(constant);
  return i.op(`${shape.element}.${op}`, low(i, shape, a), bound);
}

/** Elements that are zeros or at least normal; NaNs are in. */
export function notDenormal(i: Instruction, shape: Shape, a: Value): Value {
  const size = i.op(`${shape.vector}.lt`, absolute(i, shape, a), splat(i, shape, shape.normal));
  return i.op("v128.not", i.op("v128.andnot", size, isZero(i, shape, a)));
}

/** Elements that are zeros; of an element by itself: whether it is. */
export function isZero(i: Instruction, shape: Shape, a: Value): Value {
  if (a.type === "f32") return i.op("f32.eq", a, i.f32(0));
  if (a.type === "f64") return i.op("f64.eq", a, i.f64(0));
  return i.op(`${shape.vector}.eq`, a, splat(i, shape, 0));
}

/** Where one of two conditions holds, for vectors or for elements. */
export function either(i: Instruction, x: Value, y: Value): Value {
  return i.op(x.type === "v128" ? "v128.or" : "i32.or", x, y);
}

import type { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { PURE_OPERATIONS } from "../../micro/operations.ts";

/**
 * Vector operations that need not be done: elements that were put into a vector
 * before they are taken out of it, rearrangements by constants, and other
 * operations on constants, which immediates lead to.
 */

/** Bits of an element, by shape. */
const ELEMENT_BITS: Readonly<Record<string, number>> = {
  i8x16: 8,
  i16x8: 16,
  i32x4: 32,
  i64x2: 64,
  f32x4: 32,
  f64x2: 64,
};

/** The first of the operations that take elements of at least 32 bits out and put them in. */
const NARROWEST = 0xfd0000 + 27;
const isSplat = (code: number): boolean => code >= 0xfd0000 + 17 && code <= 0xfd0000 + 20;

const INTEGERS: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  eq: (a, b) => (a === b ? -1n : 0n),
};

const BITWISE: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  "v128.and": (a, b) => a & b,
  "v128.or": (a, b) => a | b,
  "v128.xor": (a, b) => a ^ b,
  "v128.andnot": (a, b) => a & ~b,
};

const isConstant = (value: Value): boolean => value.op.kind === "constant";
const constantBits = (value: Value): bigint => {
  if (value.op.kind !== "constant") throw new Error("not a constant");
  return BigInt(value.op.value);
};

function constantElements(vector: bigint, bits: number): bigint[] {
  return Array.from({ length: 128 / bits }, (_, k) =>
    BigInt.asUintN(bits, vector >> BigInt(k * bits)),
  );
}

function constantVector(elements: readonly bigint[]): bigint {
  const bits = 128 / elements.length;
  return elements.reduceRight(
    (vector, element) => (vector << BigInt(bits)) | BigInt.asUintN(bits, element),
    0n,
  );
}

function foldConstants(
  l: Lift,
  shape: string,
  operation: string,
  args: readonly Value[],
): Value | undefined {
  const [a, b] = args.map((arg) => (arg.type.startsWith("f") ? 0n : constantBits(arg)));
  if (a === undefined) return undefined;
  const bitwise = BITWISE[`${shape}.${operation}`];
  if (bitwise !== undefined && b !== undefined) return l.v128(BigInt.asUintN(128, bitwise(a, b)));
  const bits = ELEMENT_BITS[shape];
  if (bits === undefined || !shape.startsWith("i")) return undefined;
  if (operation === "splat") return l.v128(constantVector(Array(128 / bits).fill(a)));
  if (b === undefined) return undefined;
  const elements = constantElements(a, bits);
  if (operation === "shr_u") {
    const count = BigInt.asUintN(32, b) % BigInt(bits);
    return l.v128(constantVector(elements.map((x) => x >> count)));
  }
  const integer = INTEGERS[operation];
  if (integer === undefined) return undefined;
  const others = constantElements(b, bits);
  return l.v128(constantVector(elements.map((x, k) => integer(x, others[k] as bigint))));
}

/** What a pure operation on vectors was, by its name's parts; undefined: something else. */
interface Taken {
  readonly vector: Value;
  readonly lane: number;
}

/** The element that a value was taken out of a vector as. */
function taken(value: Value | undefined, bits: number): Taken | undefined {
  const op = value?.op;
  if (op?.kind !== "pure" || !op.operation.lane || op.args.length !== 1) return undefined;
  const [vector] = op.args as readonly [Value];
  const types = bits === 64 ? ["i64", "f64"] : ["i32", "f32"];
  // Narrower elements are extended.
  if (!types.includes(op.operation.result) || op.operation.code < NARROWEST) return undefined;
  return { vector, lane: op.lane };
}

const REINTERPRET: Readonly<Record<string, string>> = {
  "i64 f64": "i64.reinterpret_f64",
  "f64 i64": "f64.reinterpret_i64",
  "i32 f32": "i32.reinterpret_f32",
  "f32 i32": "f32.reinterpret_i32",
};

function as(l: Lift, type: Value["type"], value: Value): Value {
  if (value.type === type) return value;
  return l.op(REINTERPRET[`${type} ${value.type}`] as string, value);
}

/** Element `lane` of `bits` bits, if it is known by itself. */
function elementAt(vector: Value, lane: number, bits: number): Value | undefined {
  const { op } = vector;
  if (op.kind !== "pure") return undefined;
  const { args, operation } = op;
  const [first, second] = args as readonly [Value, Value | undefined];
  const own = second ?? first;
  const isWidth = bits === 64 ? /64$/.test(own.type) : /32$/.test(own.type);
  if (operation.result !== "v128" || !isWidth) return undefined;
  if (args.length === 1 && isSplat(operation.code)) return first;
  if (args.length !== 2 || !operation.lane || operation.code < NARROWEST) return undefined;
  return op.lane === lane ? second : elementAt(first, lane, bits);
}

/** Byte lanes that move whole elements. */
const bytesOf = (bits: number, elements: readonly number[]): number[] =>
  elements.flatMap((element) =>
    Array.from({ length: bits / 8 }, (_, k) => element * (bits / 8) + k),
  );

/** An operation's result without it, or undefined. */
export function simplified(
  l: Lift,
  name: string,
  lane: number,
  args: readonly Value[],
): Value | undefined {
  const [shape = "", operation = ""] = name.split(".");
  if (args.every(isConstant)) {
    const folded = foldConstants(l, shape, operation, args);
    if (folded !== undefined) return folded;
  }
  const [first, second] = args as readonly [Value, Value | undefined, Value?];
  const bits = ELEMENT_BITS[shape] ?? 0;
  switch (operation) {
    case "extract_lane": {
      const element = bits >= 32 ? elementAt(first, lane, bits) : undefined;
      const type = shape.slice(0, 3) as Value["type"];
      return element && as(l, type, element);
    }
    case "splat": {
      const from = bits >= 32 ? taken(first, bits) : undefined;
      if (from === undefined) return undefined;
      const elements = Array(128 / bits).fill(from.lane);
      return l.shuffle(from.vector, from.vector, bytesOf(bits, elements));
    }
    case "replace_lane": {
      const before = first.op;
      if (
        second !== undefined &&
        before.kind === "pure" &&
        before.operation === PURE_OPERATIONS.get(name) &&
        before.lane === lane
      )
        return l.lane(name, lane, before.args[0] as Value, second);
      // An element from the same place is a scalar's: it stays one.
      const from = bits === 64 ? taken(second, bits) : undefined;
      if (from === undefined || (from.lane === 0 && lane === 0)) return undefined;
      const elements = [0, 1];
      elements[lane] = 2 + from.lane;
      return l.shuffle(first, from.vector, bytesOf(bits, elements));
    }
    case "swizzle": {
      if (second === undefined || !isConstant(second)) return undefined;
      const lanes = constantElements(constantBits(second), 8).map(Number);
      if (lanes.every((byte) => byte < 16)) return l.shuffle(first, first, lanes);
      return l.shuffle(
        first,
        l.v128(0n),
        lanes.map((byte) => (byte < 16 ? byte : 16)),
      );
    }
    case "bitselect": {
      const mask = args[2] as Value;
      if (second === undefined || !isConstant(mask)) return undefined;
      const bytes = constantElements(constantBits(mask), 8);
      if (bytes.some((byte) => byte !== 0n && byte !== 0xffn)) return undefined;
      return l.shuffle(
        first,
        second,
        bytes.map((byte, k) => (byte === 0n ? 16 + k : k)),
      );
    }
    case "and":
    case "or": {
      if (second === undefined || shape !== "v128") return undefined;
      const [constant, other] = isConstant(first) ? [first, second] : [second, first];
      if (!isConstant(constant)) return undefined;
      const bits = BigInt.asIntN(128, constantBits(constant));
      if (bits === 0n) return operation === "or" ? other : constant;
      if (bits === -1n) return operation === "or" ? constant : other;
      return undefined;
    }
    default:
      return undefined;
  }
}

/** A shuffle as one of what its operands were shuffled from, if it is one of at most two vectors. */
export function composed(
  a: Value,
  b: Value,
  lanes: readonly number[],
): { a: Value; b: Value; lanes: readonly number[] } {
  const sources: Value[] = [];
  const numberOf = (vector: Value): number => {
    const known = sources.indexOf(vector);
    return known >= 0 ? known : sources.push(vector) - 1;
  };
  const composedLanes = lanes.map((lane) => {
    let vector = lane < 16 ? a : b;
    let byte = lane % 16;
    while (vector.op.kind === "shuffle") {
      const inner = vector.op.lanes[byte] as number;
      vector = vector.op.args[inner < 16 ? 0 : 1];
      byte = inner % 16;
    }
    return numberOf(vector) * 16 + byte;
  });
  if (sources.length > 2) return { a, b, lanes };
  const [first = a, second = first] = sources;
  return { a: first, b: second, lanes: composedLanes };
}

import type { Value } from "../../micro/micro-op.ts";

type Fold = (a: bigint, b: bigint) => bigint;

const TRUTH = (holds: boolean): bigint => (holds ? 1n : 0n);

/** Operations on a number of bits, by the part of their name behind the type. */
function operations(bits: number): Record<string, Fold> {
  const unsigned = (x: bigint): bigint => BigInt.asUintN(bits, x);
  const count = (x: bigint): bigint => BigInt.asUintN(bits, x) % BigInt(bits);
  return {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    shl: (a, b) => a << count(b),
    shr_u: (a, b) => unsigned(a) >> count(b),
    shr_s: (a, b) => a >> count(b),
    eqz: (a) => TRUTH(a === 0n),
    eq: (a, b) => TRUTH(a === b),
    ne: (a, b) => TRUTH(a !== b),
    lt_u: (a, b) => TRUTH(unsigned(a) < unsigned(b)),
    gt_u: (a, b) => TRUTH(unsigned(a) > unsigned(b)),
    ge_u: (a, b) => TRUTH(unsigned(a) >= unsigned(b)),
    lt_s: (a, b) => TRUTH(a < b),
    gt_s: (a, b) => TRUTH(a > b),
  };
}

const FOLDS = new Map<string, Fold>([
  ["i32.wrap_i64", (a) => BigInt.asIntN(32, a)],
  ["i64.extend_i32_u", (a) => BigInt.asUintN(32, a)],
  ["i64.extend_i32_s", (a) => a],
  ...[8, 16, 32].map(
    (bits) => [`i64.extend${bits}_s`, (a: bigint) => BigInt.asIntN(bits, a)] as const,
  ),
  ...[32, 64].flatMap((bits) =>
    Object.entries(operations(bits)).map(([name, fold]) => [`i${bits}.${name}`, fold] as const),
  ),
] as [string, Fold][]);

/** A constant's value as a signed number, or undefined. */
export function constantOf(value: Value): bigint | undefined {
  return value.op.kind === "constant" && (value.type === "i32" || value.type === "i64")
    ? BigInt(value.op.value)
    : undefined;
}

/** The result of a pure operation on constants, or undefined if it is not one that is folded. */
export function folded(name: string, args: readonly Value[]): bigint | undefined {
  const fold = FOLDS.get(name);
  if (fold === undefined) return undefined;
  const [a, b = 0n] = args.map(constantOf);
  if (a === undefined || b === undefined) return undefined;
  if (args.length === 2 && constantOf(args[1] as Value) === undefined) return undefined;
  return fold(a, b);
}

import type { Value } from "../../micro/micro-op.ts";
import { PURE_OPERATIONS, type PureOperation } from "../../micro/operations.ts";

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

const BY_NAME: readonly (readonly [string, Fold])[] = [
  ["i32.wrap_i64", (a) => BigInt.asIntN(32, a)],
  ["i64.extend_i32_u", (a) => BigInt.asUintN(32, a)],
  ["i64.extend_i32_s", (a) => a],
  ...[8, 16, 32].map(
    (bits) => [`i64.extend${bits}_s`, (a: bigint) => BigInt.asIntN(bits, a)] as const,
  ),
  ...[32, 64].flatMap((bits) =>
    Object.entries(operations(bits)).map(([name, fold]) => [`i${bits}.${name}`, fold] as const),
  ),
];

const FOLDS = new Map(
  BY_NAME.map(([name, fold]) => [PURE_OPERATIONS.get(name) as PureOperation, fold]),
);

/** A constant's value as a signed number, or undefined. */
export function constantOf(value: Value): bigint | undefined {
  return value.op.kind === "constant" && (value.type === "i32" || value.type === "i64")
    ? BigInt(value.op.value)
    : undefined;
}

/** The result of a pure operation on integers, or undefined if one is not known, or it is not one that is folded. */
export function folded(
  operation: PureOperation,
  args: readonly (bigint | undefined)[],
): bigint | undefined {
  const fold = FOLDS.get(operation);
  const [a, b] = args;
  if (fold === undefined || a === undefined) return undefined;
  if (args.length === 1) return fold(a, 0n);
  return b === undefined ? undefined : fold(a, b);
}

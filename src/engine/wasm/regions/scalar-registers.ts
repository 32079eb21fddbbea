import type { Value } from "../../micro/micro-op.ts";
import { PURE_OPERATIONS } from "../../micro/operations.ts";
import { visit } from "../../micro/visit.ts";
import { isVector } from "./bound-instruction.ts";
import type { Node } from "./node.ts";

/**
 * Vector registers that code uses for scalars. A region keeps the low element of each
 * in a local of its own, so that arithmetic goes from one to the next; the rest of the
 * register stands beside it.
 */

const REPLACE = {
  f32: PURE_OPERATIONS.get("f32x4.replace_lane"),
  f64: PURE_OPERATIONS.get("f64x2.replace_lane"),
} as const;
const EXTRACT = {
  f32: PURE_OPERATIONS.get("f32x4.extract_lane"),
  f64: PURE_OPERATIONS.get("f64x2.extract_lane"),
} as const;

export type Scalar = "f32" | "f64";

/** A vector made by putting a low element into another one. */
export function lowReplaced(
  { op }: Value,
  type: Scalar,
): { readonly rest: Value; readonly low: Value } | undefined {
  if (op.kind !== "pure" || op.lane !== 0 || op.operation !== REPLACE[type]) return undefined;
  const [rest, low] = op.args as readonly [Value, Value];
  return { rest, low };
}

/** The vector whose low element a value is. */
export function vectorOfLow({ op }: Value): { vector: Value; type: Scalar } | undefined {
  if (op.kind !== "pure" || op.lane !== 0) return undefined;
  for (const type of ["f64", "f32"] as const)
    if (op.operation === EXTRACT[type]) return { vector: op.args[0] as Value, type };
  return undefined;
}

/** Which registers hold scalars most of the time, and of which type, by their places. */
export function scalarRegisters(nodes: readonly Node[]): Map<number, Scalar> {
  const counts = new Map<number, Record<Scalar | "whole", number>>();
  const count = ({ op }: Value): void => {
    if (op.kind !== "state-store" || "word" in op.place || !isVector(op.place.offset)) return;
    const at = op.place.offset & ~15;
    const uses = counts.get(at) ?? { f32: 0, f64: 0, whole: 0 };
    counts.set(at, uses);
    if (op.store !== "v128") uses.whole++;
    else if (lowReplaced(op.value, "f64")) uses.f64++;
    else if (lowReplaced(op.value, "f32")) uses.f32++;
    else if (op.value.op.kind !== "constant" && op.value.op.kind !== "state-load") uses.whole++;
  };
  for (const { block } of nodes) for (const { list } of block.instructions) visit(list, count);
  const scalars = new Map<number, Scalar>();
  for (const [at, { f32, f64, whole }] of counts) {
    if (f64 > 0 && f64 >= f32 && f64 >= whole) scalars.set(at, "f64");
    else if (f32 > 0 && f32 >= whole) scalars.set(at, "f32");
  }
  return scalars;
}

import type { Value } from "./micro-op.ts";
import { PURE_OPERATIONS } from "./operations.ts";

const operation = (name: string) => PURE_OPERATIONS.get(name);
const AND = operation("i64.and");
const OR = operation("i64.or");
const XOR = operation("i64.xor");
const SHIFT_RIGHT = operation("i64.shr_u");
const EXTEND = operation("i64.extend_i32_u");
/** Bits of unsigned loads that are widened to 64. */
const LOADED: Readonly<Record<string, number>> = { "i64.8u": 8, "i64.16u": 16, "i64.32u": 32 };
/** So many operations are looked through. */
const MAXIMUM_DEPTH = 4;

/** How many of the low bits of a 64-bit integer may be set, as far as it is easily seen: the others are 0. */
export function widthOf(value: Value, depth = MAXIMUM_DEPTH): number {
  const { op } = value;
  switch (op.kind) {
    case "constant": {
      const constant = BigInt.asUintN(64, BigInt(op.value));
      return constant === 0n ? 0 : constant.toString(2).length;
    }
    case "state-load":
    case "guest-load":
      return LOADED[op.load] ?? 64;
    case "pure":
      break;
    default:
      return 64;
  }
  if (op.operation === EXTEND) return 32;
  const [a, b] = op.args;
  if (depth === 0 || a === undefined || b === undefined) return 64;
  const width = (arg: Value): number => widthOf(arg, depth - 1);
  switch (op.operation) {
    case AND:
      return Math.min(width(a), width(b));
    case OR:
    case XOR:
      return Math.max(width(a), width(b));
    case SHIFT_RIGHT:
      return width(a);
    default:
      return 64;
  }
}

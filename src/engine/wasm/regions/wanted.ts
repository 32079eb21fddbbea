import type { MicroOp, Value } from "../../micro/micro-op.ts";
import { visit } from "../../micro/visit.ts";
import type { RegionBlock } from "./region-block.ts";

/**
 * The values of a block that its instructions need for something else than arithmetic flags which
 * nobody may look at: those are computed where it turns out that somebody does.
 */
export function wantedValues({ instructions, flow }: RegionBlock): ReadonlySet<Value> {
  const wanted = new Set<Value>();
  const want = (value: Value): void => {
    if (wanted.has(value)) return;
    wanted.add(value);
    operandsOf(value.op).forEach(want);
  };
  for (const { list } of instructions)
    visit(list, (value) => {
      if (!isPure(value.op)) want(value);
    });
  for (const target of flow.targets.values()) want(target);
  return wanted;
}

/** It only computes: from values, registers, or words of the instruction. */
function isPure({ kind }: MicroOp): boolean {
  switch (kind) {
    case "pure":
    case "constant":
    case "shuffle":
    case "select":
    case "word":
    case "state-load":
    case "indexed-load":
    case "variable-get":
      return true;
    default:
      return false;
  }
}

function operandsOf(op: MicroOp): readonly Value[] {
  switch (op.kind) {
    case "pure":
    case "shuffle":
    case "select":
    case "call":
      return op.args;
    case "state-store":
    case "variable-set":
      return [op.value];
    case "indexed-load":
      return [op.index];
    case "indexed-store":
      return [op.index, op.value];
    case "guest-load":
      return [op.address];
    case "guest-store":
      return [op.address, op.value];
    case "if":
    case "while":
      return [op.condition];
    default:
      return [];
  }
}

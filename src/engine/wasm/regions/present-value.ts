import type { Load, Value } from "../../micro/micro-op.ts";
import type { Core } from "../../x86/core.ts";
import { BYTES } from "../emitter.ts";
import { constantOf, folded } from "./fold.ts";

/**
 * What an integer of an instruction would be with the registers as they are now: a guess, if others
 * are executed before it. undefined: it depends on more than registers.
 */
export function presentValue(core: Core, value: Value): bigint | undefined {
  const { op } = value;
  switch (op.kind) {
    case "constant":
      return constantOf(value);
    case "state-load":
      return "word" in op.place ? undefined : presentField(core, op.place.offset, op.load);
    case "pure":
      return folded(
        op.operation,
        op.args.map((arg) => presentValue(core, arg)),
      );
    default:
      return undefined;
  }
}

function presentField(core: Core, offset: number, load: Load): bigint | undefined {
  if (!load.startsWith("i")) return undefined;
  const bits = core.linearView.getBigUint64(core.base + offset, true);
  const size = BYTES[load] * 8;
  return load.endsWith("u") ? BigInt.asUintN(size, bits) : BigInt.asIntN(size, bits);
}

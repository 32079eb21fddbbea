import type { Intent } from "../../micro/micro-op.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";

/** Saving and restoring x87 and SSE state in one go. */

/** VALUE: whether REX.W asks for 64-bit x87 pointers. */
function whole(helper: string, bytes: number, intent: Intent): Semantics {
  return (i) => {
    i.passAddress(0, bytes, intent);
    i.storeState(VALUE, "i32", i.i32(i.bits === 64 ? 1 : 0));
    i.helper(helper);
  };
}

const LEGACY_BYTES = 512;
const WITH_HEADER = 576;
const UNIT = { unit: "x87", nowait: true } as const;

row("NP 0f ae /0 mem", "FXSAVE M", whole("fxsave", LEGACY_BYTES, "write"), UNIT);
row("NP 0f ae /1 mem", "FXRSTOR M", whole("fxrstor", LEGACY_BYTES, "read"), UNIT);
// These heed CR4.OSXSAVE and CR0.TS but not CR0.EM: their helpers check.
row("NP 0f ae /4 mem", "XSAVE M", whole("xsave", WITH_HEADER, "write"));
row("NP 0f ae /5 mem", "XRSTOR M", whole("xrstor", WITH_HEADER, "read"));
row("NP 0f ae /6 mem", "XSAVEOPT M", whole("xsave", WITH_HEADER, "write"));

import type { Intent } from "../../micro/micro-op.ts";
import { row, type Semantics } from "../row.ts";
import { GPR, VALUE, XCR0 } from "../state.ts";
import { AVX_AT, AVX_BYTES, COMPONENT_AVX } from "../xsave.ts";

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
const UNIT = { unit: "x87", nowait: true } as const;

row("NP 0f ae /0 mem", "FXSAVE M", whole("fxsave", LEGACY_BYTES, "write"), UNIT);
row("NP 0f ae /1 mem", "FXRSTOR M", whole("fxrstor", LEGACY_BYTES, "read"), UNIT);
// These heed CR4.OSXSAVE and CR0.TS but not CR0.EM: their helpers check.
row("NP 0f ae /4 mem", "XSAVE M", extended("xsave", "write"));
row("NP 0f ae /5 mem", "XRSTOR M", extended("xrstor", "read"));
row("NP 0f ae /6 mem", "XSAVEOPT M", extended("xsave", "write"));

/** AVX state makes the area larger, if EAX asks for it and XCR0 has it. */
function extended(helper: string, intent: Intent): Semantics {
  const legacy = whole(helper, AVX_AT, intent);
  return (i) => {
    const components = i.op("i32.and", i.loadState(GPR, "i32"), i.loadState(XCR0, "i32"));
    i.if(i.op("i32.and", components, i.i32(COMPONENT_AVX)), () => {
      i.linear(0, AVX_AT + AVX_BYTES, intent);
    });
    legacy(i);
  };
}

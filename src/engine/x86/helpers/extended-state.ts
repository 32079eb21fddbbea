import { CR0_TS, CR4_OSXSAVE } from "../control-bits.ts";
import type { Core } from "../core.ts";
import { ADDRESS, CR0, CR4, Leave, VALUE, XCR0 } from "../state.ts";
import { fxrstor, fxsave, xrstor, xsave } from "../xsave.ts";
import type { Helpers } from "./helpers.ts";

const RAX = 0;

function isWide(core: Core): boolean {
  return core.get(VALUE) !== 0;
}

function checkEnabled(core: Core): void {
  if (!(core.get(CR4) & CR4_OSXSAVE)) core.raise(6);
  if (core.get(CR0) & CR0_TS) core.raise(7);
}

/** Rows: rows/extended-state.ts; ADDRESS holds the operand's linear address. */
export const EXTENDED_STATE_HELPERS: Helpers = {
  fxsave: (core) => {
    fxsave(core, core.address(ADDRESS), isWide(core));
    return Leave.none;
  },
  fxrstor: (core) => {
    fxrstor(core, core.address(ADDRESS), isWide(core));
    return Leave.none;
  },
  xsave: (core) => {
    checkEnabled(core);
    xsave(core, core.address(ADDRESS), isWide(core), core.get(XCR0) & core.register(RAX));
    return Leave.none;
  },
  xrstor: (core) => {
    checkEnabled(core);
    const supported = core.get(XCR0);
    xrstor(core, core.address(ADDRESS), isWide(core), supported, supported & core.register(RAX));
    return Leave.none;
  },
};

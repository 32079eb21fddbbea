import type { Core } from "../core.ts";
import { toFormat } from "../sse/convert.ts";
import { Environment } from "../sse/environment.ts";
import { HALF, SINGLE } from "../sse/format.ts";
import { DAZ, DE, FTZ, RC_SHIFT } from "../sse/mxcsr.ts";
import { clearResult, element, type Performed, performing, setElement } from "../sse/perform.ts";
import { SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** F16C: conversions between halves and singles, exactly. */
const helpers: Record<string, Performed> = {};

/** Under another MXCSR, which the flags do not show. */
const environment = new Environment();
function within(e: Environment, mxcsr: number, work: (inner: Environment) => bigint): bigint {
  environment.begin(mxcsr);
  const result = work(environment);
  e.before |= environment.before;
  e.after |= environment.after;
  return result;
}

function half(core: Core, k: number): bigint {
  return BigInt((core.get(SSE_SECOND + 2 * (k & ~1)) >>> (16 * (k & 1))) & 0xffff);
}

for (const [suffix, count] of [
  ["", 4],
  ["_256", 8],
] as const) {
  // Denormal halves are neither zeros nor worth a flag.
  helpers[`vcvtph2ps${suffix}`] = performing((core, e) => {
    for (let k = 0; k < count; k++) {
      const result = within(e, e.mxcsr & ~DAZ, (inner) => {
        const single = toFormat(inner, HALF, SINGLE, half(core, k));
        inner.before &= ~DE;
        return single;
      });
      setElement(core, SINGLE, k, result);
    }
  });

  // Bit 2 of the immediate takes the rounding mode from MXCSR; denormal results are never flushed.
  helpers[`vcvtps2ph${suffix}`] = performing((core, e) => {
    const control = core.get(SSE_INTEGER);
    const mode = control & 4 ? e.rounding : control & 3;
    const mxcsr = (e.mxcsr & ~(FTZ | (3 << RC_SHIFT))) | (mode << RC_SHIFT);
    clearResult(core);
    for (let k = 0; k < count; k++) {
      const single = element(core, SINGLE, SSE_SECOND, k);
      const result = within(e, mxcsr, (inner) => toFormat(inner, SINGLE, HALF, single));
      const at = SSE_RESULT + 2 * (k & ~1);
      core.set(at, (core.get(at) | (Number(result) << (16 * (k & 1)))) >>> 0);
    }
  });
}

export const F16C_HELPERS: Helpers = helpers;

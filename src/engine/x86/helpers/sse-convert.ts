import { fromInteger, toFormat, toInteger } from "../sse/convert.ts";
import { DOUBLE, SINGLE } from "../sse/format.ts";
import { ZERO } from "../sse/mxcsr.ts";
import {
  clearResult,
  element,
  type Performed,
  performing,
  performingElements,
  setElement,
} from "../sse/perform.ts";
import { SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** SSE conversions, exactly: see perform.ts. */
const helpers: Record<string, Performed> = {};

for (const [f, letter, count] of [
  [SINGLE, "s", 4],
  [DOUBLE, "d", 2],
] as const) {
  for (const bits of [32, 64] as const) {
    helpers[`cvtsi2s${letter}${bits}`] = performingElements(f, 1, (core, e) =>
      fromInteger(e, f, BigInt.asIntN(bits, core.big(SSE_INTEGER))),
    );
    for (const truncates of [false, true])
      helpers[`cvt${truncates ? "t" : ""}s${letter}2si${bits}`] = performing((core, e) => {
        const value = element(core, f, SSE_SECOND, 0);
        core.setBig(SSE_RESULT, toInteger(e, f, value, bits, truncates ? ZERO : e.rounding));
      });
  }
  // To MMX registers go two of them.
  for (const [suffix, elements] of [
    ["2dq", count],
    ["2dq_256", 2 * count],
    ["2pi", 2],
  ] as const)
    for (const truncates of [false, true])
      helpers[`cvt${truncates ? "t" : ""}p${letter}${suffix}`] = performing((core, e) => {
        clearResult(core);
        for (let k = 0; k < elements; k++) {
          const value = element(core, f, SSE_SECOND, k);
          core.set(
            SSE_RESULT + 4 * k,
            Number(toInteger(e, f, value, 32, truncates ? ZERO : e.rounding)),
          );
        }
      });
}

for (const [name, count] of [
  ["cvtdq2ps", 4],
  ["cvtdq2ps_256", 8],
  ["cvtpi2ps", 2],
] as const)
  helpers[name] = performingElements(SINGLE, count, (core, e, k) =>
    fromInteger(e, SINGLE, BigInt(core.get(SSE_SECOND + 4 * k) | 0)),
  );

for (const [name, count] of [
  ["cvtss2sd", 1],
  ["cvtps2pd", 2],
  ["cvtps2pd_256", 4],
] as const)
  helpers[name] = performingElements(DOUBLE, count, (core, e, k) =>
    toFormat(e, SINGLE, DOUBLE, element(core, SINGLE, SSE_SECOND, k)),
  );

helpers.cvtsd2ss = performingElements(SINGLE, 1, (core, e) =>
  toFormat(e, DOUBLE, SINGLE, core.big(SSE_SECOND)),
);
for (const [name, count] of [
  ["cvtpd2ps", 2],
  ["cvtpd2ps_256", 4],
] as const)
  helpers[name] = performing((core, e) => {
    clearResult(core);
    for (let k = 0; k < count; k++)
      setElement(core, SINGLE, k, toFormat(e, DOUBLE, SINGLE, core.big(SSE_SECOND + 8 * k)));
  });

export const SSE_CONVERT_HELPERS: Helpers = helpers;

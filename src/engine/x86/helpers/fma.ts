import { fuse } from "../sse/arithmetic.ts";
import { DOUBLE, SINGLE } from "../sse/format.ts";
import { element, type Performed, performingElements } from "../sse/perform.ts";
import { SSE_FIRST, SSE_INTEGER, SSE_SECOND, SSE_THIRD } from "../state.ts";
import type { Helpers } from "./helpers.ts";

/**
 * Fused multiplication and addition, exactly: of SSE_FIRST and SSE_SECOND, and
 * SSE_THIRD. Bits of SSE_INTEGER negate: bit 0 the product, bits 1 and 2 the
 * addend of even and of odd elements.
 */
const helpers: Record<string, Performed> = {};

for (const [f, letter, count] of [
  [SINGLE, "s", 4],
  [DOUBLE, "d", 2],
] as const)
  for (const [name, elements] of [
    [`fmas${letter}`, 1],
    [`fmap${letter}`, count],
    [`fmap${letter}_256`, 2 * count],
  ] as const)
    helpers[name] = performingElements(f, elements, (core, e, k) => {
      const signs = core.get(SSE_INTEGER);
      const [a, b, c] = [SSE_FIRST, SSE_SECOND, SSE_THIRD].map((at) => element(core, f, at, k));
      return fuse(e, f, [a as bigint, b as bigint, c as bigint], {
        negatesProduct: (signs & 1) !== 0,
        negatesAddend: (signs & (k % 2 === 0 ? 2 : 4)) !== 0,
      });
    });

export const FMA_HELPERS: Helpers = helpers;

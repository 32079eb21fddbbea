import type { Helpers } from "./helpers.ts";
import { INTEGER_HELPERS } from "./integer.ts";
import { SSE_HELPERS } from "./sse.ts";
import { SSE_STRING_HELPERS } from "./sse-string.ts";
import { STRING_HELPERS } from "./string.ts";
import { X87_HELPERS } from "./x87.ts";

/** All helpers by name. */
export const HELPERS: Helpers = {
  ...INTEGER_HELPERS,
  ...SSE_HELPERS,
  ...SSE_STRING_HELPERS,
  ...STRING_HELPERS,
  ...X87_HELPERS,
};

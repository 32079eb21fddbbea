import type { Helpers } from "./helpers.ts";
import { INTEGER_HELPERS } from "./integer.ts";
import { STRING_HELPERS } from "./string.ts";

/** All helpers by name. */
export const HELPERS: Helpers = {
  ...INTEGER_HELPERS,
  ...STRING_HELPERS,
};

import type { Helpers } from "./helpers.ts";

/** All helpers by name. */
export const HELPERS: Helpers = {};

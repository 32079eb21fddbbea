import { AES_HELPERS } from "./aes.ts";
import { EXTENDED_STATE_HELPERS } from "./extended-state.ts";
import { F16C_HELPERS } from "./f16c.ts";
import { FAR_HELPERS } from "./far.ts";
import { FMA_HELPERS } from "./fma.ts";
import type { Helpers } from "./helpers.ts";
import { INTEGER_HELPERS } from "./integer.ts";
import { IO_HELPERS } from "./io.ts";
import { SEGMENT_HELPERS } from "./segment.ts";
import { SSE_HELPERS } from "./sse.ts";
import { SSE_CONVERT_HELPERS } from "./sse-convert.ts";
import { SSE_STRING_HELPERS } from "./sse-string.ts";
import { STRING_HELPERS } from "./string.ts";
import { SYSTEM_HELPERS } from "./system.ts";
import { X87_HELPERS } from "./x87.ts";

/** All helpers by name. */
export const HELPERS: Helpers = {
  ...AES_HELPERS,
  ...EXTENDED_STATE_HELPERS,
  ...F16C_HELPERS,
  ...FAR_HELPERS,
  ...FMA_HELPERS,
  ...INTEGER_HELPERS,
  ...IO_HELPERS,
  ...SEGMENT_HELPERS,
  ...SSE_HELPERS,
  ...SSE_CONVERT_HELPERS,
  ...SSE_STRING_HELPERS,
  ...STRING_HELPERS,
  ...SYSTEM_HELPERS,
  ...X87_HELPERS,
};

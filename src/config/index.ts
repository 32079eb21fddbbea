/** What a partition is: types, builders, the binary codec, the q35 board and the demos' cells. */
export * from "./boards/q35.ts";
export { type LinkEnd, type OwnLink, ownLinkEnd } from "./boards/q35-links.ts";
export * from "./builders/index.ts";
export { type DecodeOptions, decodeConfig, encodeConfig } from "./codec/index.ts";
export { ConfigError } from "./config-error.ts";
export * from "./demos/index.ts";
export { type Finding, formatFinding, type Place } from "./finding.ts";
export { checkLinks } from "./links/check.ts";
export * from "./ports.ts";
export * from "./releases.ts";
export * from "./show/index.ts";
export type * from "./types.ts";

import type { Core } from "../core.ts";

/**
 * Instructions written in TypeScript: called from a template with the vCPU's
 * state and the instruction's record. Returns 0 to go on, or the reason to
 * leave guest code.
 */
export type Helpers = Readonly<Record<string, (core: Core, record: number) => number>>;

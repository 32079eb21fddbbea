/** Thrown while lifting an instruction that stays with tier 0. */
export class NotCompiled extends Error {}

/**
 * How far a repeated string instruction has come in its present execution: a word in the state that
 * generated code and helpers/string.ts share, the number of its elements that are done, or
 * {@link STRING_ENDED}.
 */
import { SSE_FIRST, VALUE } from "./state.ts";

export const STRING_PROGRESS = VALUE + 8;
/** A comparison came out so that there are no further ones. */
export const STRING_ENDED = -1;

/**
 * One execution does at most this many elements and then leaves RIP where it is, so that
 * interrupts, timers and the budget see a long one in steps; each step counts as one instruction.
 */
export const STRING_ELEMENTS = 4096;

/** What wasm/string-runs.ts does: CMPS while equal, SCAS while equal and while not. */
export const STRING_RUN_KINDS = ["movs", "stos", "cmps-equal", "scas-equal", "scas-other"] as const;
export type StringRunKind = (typeof STRING_RUN_KINDS)[number];

export const compares = (kind: StringRunKind): boolean => kind !== "movs" && kind !== "stos";
/** Whether it has a source in memory, and not in the accumulator. */
export const hasSource = (kind: StringRunKind): boolean => kind === "movs" || kind === "cmps-equal";

/** Name of its function. @param bytes of an element */
export const stringRunName = (kind: StringRunKind, bytes: number): string => `${kind}_${bytes}`;
/** The same of wasm/strings-at-once.ts. */
export const stringAtOnceName = (kind: StringRunKind, bytes: number): string =>
  `${stringRunName(kind, bytes)}_at_once`;
/** Where that leaves the elements that were compared last, zero-extended to 8 bytes. */
export const [STRING_LAST_SOURCE, STRING_LAST_TARGET] = [SSE_FIRST, SSE_FIRST + 8] as const;

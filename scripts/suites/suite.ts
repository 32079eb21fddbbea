/** A public test suite that is not part of this repository: run if its folder is given, named if not. */

/** What became of one case. `reason` is one line. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly reason: string }
  /** Concerns something that this CPU does not have or the suite itself gives no result for. */
  | { readonly kind: "not-applicable"; readonly reason: string };

export interface CaseResult {
  /** Row of the table. */
  readonly group: string;
  readonly name: string;
  readonly outcome: Outcome;
}

export interface Suite {
  readonly name: string;
  /** Environment variable that names the folder. */
  readonly variable: string;
  /** What lies in that folder. */
  readonly folder: string;
  /** A program that must be installed, or none. */
  readonly needs?: string;
  /** @param only cases whose group and name ("group/name") match it */
  run(folder: string, only: RegExp): AsyncIterable<CaseResult>;
  /** What else there is to say about the run: lines. */
  report?(): readonly string[];
}

export const PASSED: Outcome = { kind: "passed" };
export const failed = (reason: string): Outcome => ({ kind: "failed", reason });
export const notApplicable = (reason: string): Outcome => ({ kind: "not-applicable", reason });

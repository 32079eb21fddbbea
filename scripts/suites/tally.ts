/** The score of a suite: an aligned table by group, the failures, and what was counted out and why. */
import type { CaseResult } from "./suite.ts";

interface Group {
  passed: number;
  failed: number;
  notApplicable: number;
  readonly failures: string[];
}

/** Failures shown of each group, unless all are asked for. */
const SHOWN = 5;

export class Tally {
  readonly #groups = new Map<string, Group>();
  /** Cases counted out, by reason. */
  readonly #reasons = new Map<string, { cases: number; readonly names: string[] }>();
  #failed = 0;
  #cases = 0;

  /** All of them, those that do not apply, too. */
  get cases(): number {
    return this.#cases;
  }

  get failed(): number {
    return this.#failed;
  }

  add({ group, name, outcome }: CaseResult): void {
    this.#cases++;
    let counts = this.#groups.get(group);
    if (counts === undefined) {
      counts = { passed: 0, failed: 0, notApplicable: 0, failures: [] };
      this.#groups.set(group, counts);
    }
    if (outcome.kind === "passed") counts.passed++;
    else if (outcome.kind === "failed") {
      counts.failed++;
      this.#failed++;
      counts.failures.push(`${group}/${name}: ${outcome.reason}`);
    } else {
      counts.notApplicable++;
      const reason = this.#reasons.get(outcome.reason) ?? { cases: 0, names: [] };
      reason.cases++;
      if (reason.names.length < 1000) reason.names.push(`${group}/${name}`);
      this.#reasons.set(outcome.reason, reason);
    }
  }

  /** @param all every failure and every name rather than a few of each */
  text(title: string, all: boolean): string[] {
    const groups = [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1));
    const total = { passed: 0, failed: 0, notApplicable: 0, failures: [] };
    for (const [, group] of groups) {
      total.passed += group.passed;
      total.failed += group.failed;
      total.notApplicable += group.notApplicable;
    }
    const width = Math.max(title.length, ...groups.map(([name]) => name.length), 5);
    const line = (name: string, { passed, failed, notApplicable }: Group) =>
      [
        name.padEnd(width),
        String(passed).padStart(9),
        String(failed).padStart(9),
        String(notApplicable).padStart(9),
        share(passed, failed).padStart(10),
      ].join("");
    return [
      `${title.padEnd(width)}   passed   failed    n. a.     share`,
      ...groups.map(([name, group]) => line(name, group)),
      line("all", total),
      ...[...this.#reasons].flatMap(([reason, { cases, names }]) => [
        `not applicable, ${cases}: ${reason}`,
        ...(all ? names.map((name) => `  ${name}`) : []),
      ]),
      ...groups.flatMap(([, { failures }]) => {
        const shown = all ? failures : failures.slice(0, SHOWN);
        const rest = failures.length - shown.length;
        return [
          ...shown.map((failure) => `failed ${failure}`),
          ...(rest > 0 ? [`  and ${rest} more of them`] : []),
        ];
      }),
    ];
  }
}

/** Of those that apply. */
function share(passed: number, failed: number): string {
  if (passed + failed === 0) return "-";
  return `${((100 * passed) / (passed + failed)).toFixed(3)} %`;
}

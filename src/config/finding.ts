/** What a rule found in a set of configurations, in words for the person who wrote them. */
export interface Finding {
  /** An error is refused by the hypervisor; a warning is accepted, and will not do what was meant. */
  readonly severity: "error" | "warning";
  /** What must hold. */
  readonly rule: string;
  /** Where it does not: one place, or the two that do not go together. */
  readonly places: readonly Place[];
  /** What to change. */
  readonly fix: string;
}

export interface Place {
  /** Name of the cell; the root cell's for a system. */
  readonly cell: string;
  /** Path in the configuration, such as `memoryRegions[2].size`. */
  readonly field: string;
  /** What stands there. */
  readonly value: string;
}

/** One line: `error: RULE: CELL FIELD is VALUE, ...; FIX`. */
export function formatFinding({ severity, rule, places, fix }: Finding): string {
  const where = places.map(({ cell, field, value }) => `"${cell}" ${field} is ${value}`);
  return `${severity}: ${rule}: ${where.join(", ")}; ${fix}`;
}

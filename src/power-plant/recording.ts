/** All samples of a run, and the files that they are exported to. */
import { type Sample, SIGNAL_NAMES, signalValues } from "./signals.ts";

/** More digits than any instrument has; enough to see a sine in its neighbours. */
const SIGNIFICANT_DIGITS = 9;

const rounded = (value: number): number =>
  Number.isInteger(value) && Math.abs(value) < 10 ** SIGNIFICANT_DIGITS
    ? value
    : Number(value.toPrecision(SIGNIFICANT_DIGITS));

/** A header and a line for each sample; empty where a controller is silent. */
export function csv(samples: readonly Sample[]): string {
  const lines = samples.map((sample) =>
    signalValues(sample)
      .map((value) => (value === undefined ? "" : rounded(value)))
      .join(","),
  );
  return `${[SIGNAL_NAMES.join(","), ...lines].join("\n")}\n`;
}

/** By name: one value for each sample; null where a controller is silent. */
export function columns(samples: readonly Sample[]): Record<string, (number | null)[]> {
  const rows = samples.map((sample) =>
    signalValues(sample).map((value) => (value === undefined ? null : rounded(value))),
  );
  return Object.fromEntries(
    SIGNAL_NAMES.map((name, index) => [name, rows.map((row) => row[index])]),
  );
}

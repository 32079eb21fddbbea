/** Numbers for people. */
export const MISSING = "-";

/** Three digits that count. */
export function number(value: number | undefined): string {
  if (value === undefined) return MISSING;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 4));
}

/** With the unit that keeps the number between 1 and 1000. */
export function duration(nanoseconds: number | undefined): string {
  if (nanoseconds === undefined) return MISSING;
  if (nanoseconds < 1e3) return `${number(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${number(nanoseconds / 1e3)} µs`;
  return `${number(nanoseconds / 1e6)} ms`;
}

export const percent = (part: number | undefined): string =>
  part === undefined ? MISSING : `${(100 * part).toFixed(0)} %`;

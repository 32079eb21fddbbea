/** The table that people read. */
import type { Row } from "./measure.ts";
import type { Peer } from "./peers.ts";
import type { Workload } from "./workloads.ts";

const HEADINGS = [
  "",
  "Gaoler",
  "QEMU TCG",
  "native",
  "TCG/Gaoler",
  "Gaoler/native",
  "million instr/s",
  "checksum",
];
const MISSING = "-";

/** Lines of the whole table: workloads of each kind, with their geometric means. */
export function table(rows: readonly Row[]): string[] {
  const cells: string[][] = [HEADINGS];
  const kinds: readonly [kind: Workload["kind"], title: string][] = [
    ["compute", "compute, time of a round"],
    ["system", "system, time of an operation"],
  ];
  for (const [kind, title] of kinds) {
    const some = rows.filter(({ workload }) => workload.kind === kind);
    if (some.length === 0) continue;
    cells.push([], [title], ...some.map(cellsOf));
    if (some.length > 1)
      cells.push([
        "geometric mean",
        ...["", "", ""],
        mean(some.map((row) => ratio(row, "QEMU TCG", "Gaoler"))),
        mean(some.map((row) => ratio(row, "Gaoler", "native"))),
        mean(some.map(millionsPerSecond)),
      ]);
  }
  return aligned(cells);
}

function cellsOf(row: Row): string[] {
  const { workload, figures, problems } = row;
  const time = (peer: Peer["name"]): string => {
    const figure = figures.get(peer);
    return figure === undefined ? MISSING : duration(figure.nanoseconds);
  };
  return [
    workload.name,
    time("Gaoler"),
    time("QEMU TCG"),
    time("native"),
    number(ratio(row, "QEMU TCG", "Gaoler")),
    number(ratio(row, "Gaoler", "native")),
    number(millionsPerSecond(row)),
    verdict(row, problems.length > 0),
  ];
}

function verdict({ checksums }: Row, failed: boolean): string {
  if (failed) return "PROBLEM";
  return checksums.size > 1 ? `same on ${checksums.size}` : "not compared";
}

/** Time of one peer over that of another; undefined if either has none. */
function ratio({ figures }: Row, over: Peer["name"], under: Peer["name"]): number | undefined {
  const a = figures.get(over);
  const b = figures.get(under);
  return a === undefined || b === undefined ? undefined : a.nanoseconds / b.nanoseconds;
}

function millionsPerSecond({ figures }: Row): number | undefined {
  const rate = figures.get("Gaoler")?.instructionsPerSecond;
  return rate === undefined ? undefined : rate / 1e6;
}

function mean(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return MISSING;
  return number(Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length));
}

/** Three digits that count. */
function number(value: number | undefined): string {
  if (value === undefined) return MISSING;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 4));
}

/** With the unit that keeps the number between 1 and 1000. */
function duration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${number(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${number(nanoseconds / 1e3)} µs`;
  return `${number(nanoseconds / 1e6)} ms`;
}

/** Names to the left, everything else to the right; a line of one cell is a title. */
function aligned(lines: readonly (readonly string[])[]): string[] {
  const columns = lines.filter((line) => line.length > 1);
  const widths = HEADINGS.map((_, column) =>
    Math.max(...columns.map((line) => line[column]?.length ?? 0)),
  );
  return lines.map((line) =>
    line.length < 2
      ? line.join("")
      : line
          .map((cell, column) =>
            column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
          )
          .join("  ")
          .trimEnd(),
  );
}

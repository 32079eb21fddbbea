/** The measured part of docs/performance.md. What people wrote around it stays. */
import type { ClockName } from "./clock.ts";
import type { ColdStart } from "./cold-start.ts";
import { type Environment, environmentLine } from "./environment.ts";
import type { Row } from "./measure.ts";
import { number } from "./numbers.ts";
import { type Line, lines, MARKS, memoryAboveRam, timerCosts } from "./report.ts";
import {
  COLD_START_MS,
  floors,
  MEMORY_ABOVE_RAM_MIB,
  means,
  processRatio,
  type Verdict,
} from "./targets.ts";

export const BEGIN =
  "<!-- measured: written by npm run bench -- --write; what is edited here is lost -->";
export const END = "<!-- end of what is measured -->";

export interface Measured {
  readonly by: ClockName;
  readonly environment: Environment;
  readonly rows: readonly Row[];
  readonly coldStart: ColdStart;
  /** Further lines: hypercalls, links, the plant. */
  readonly more: readonly string[];
}

/** @throws Error if the page does not have the two marks */
export function withMeasured(page: string, measured: Measured): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(`the page must have the lines "${BEGIN}" and, behind it, "${END}"`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${section(measured).join("\n")}\n\n${page.slice(end)}`;
}

/** What missed its target and is not the name of a heading of the page: its reason is not written down. */
export function unexplained(page: string, { rows }: Pick<Measured, "rows">): string[] {
  const headings = page.split("\n").filter((line) => line.startsWith("### "));
  return missed(rows).filter((what) => !headings.some((heading) => heading.includes(what)));
}

const missed = (rows: readonly Row[]): string[] =>
  [...means(rows), ...floors(rows)].filter(({ holds }) => !holds).map(({ what }) => what);

const CLOCKS: Readonly<Record<ClockName, string>> = {
  wall: "Times are of the wall clock.",
  processor: "Times are of the processor, as the machine was busy with other things.",
};

function section({ by, environment, rows, coldStart, more }: Measured): string[] {
  const failed = missed(rows);
  return [
    `On ${environmentLine(environment)}. ${CLOCKS[by]}`,
    "",
    "![Speed of Gaoler relative to QEMU TCG, a bar a workload](performance.svg)",
    "",
    "### Targets",
    "",
    ...markdown([
      ["", "measured", "wanted", ""],
      ...means(rows).map(targetLine),
      ...overall(rows, coldStart),
    ]),
    "",
    failed.length === 0
      ? "No workload is below its floor."
      : `Missed: ${failed.join(", ")}. [Why](#where-targets-are-missed).`,
    "",
    "### Workloads",
    "",
    ...markdown(lines(rows)),
    "",
    ...[...timerCosts(rows), ...more].map((line) => `* ${line}`),
  ];
}

const targetLine = ({ what, value, wanted, holds }: Verdict): Line => [
  `${what}, TCG/Gaoler`,
  number(value),
  `>= ${wanted}`,
  holds ? MARKS.reached : MARKS.missed,
];

function overall(rows: readonly Row[], { firstLine, samples }: ColdStart): Line[] {
  const memory = memoryAboveRam(rows);
  const processes = means(rows, processRatio).find(({ what }) => what === "all but string");
  const upTo = (what: string, value: number, limit: number, unit: string): Line => [
    what,
    `${value.toFixed(0)} ${unit}`,
    `< ${limit} ${unit}`,
    value < limit ? MARKS.reached : MARKS.missed,
  ];
  return [
    ...(processes === undefined
      ? []
      : [
          [
            "all but string, whole processes of about a second of TCG",
            number(processes.value),
            "",
            "",
          ],
        ]),
    ...(memory === undefined
      ? []
      : [upTo(`memory above guest RAM (${memory.name})`, memory.mib, MEMORY_ABOVE_RAM_MIB, "MiB")]),
    upTo(
      `gaoler run to the first console line (median of ${samples.length})`,
      firstLine,
      COLD_START_MS,
      "ms",
    ),
  ];
}

/** A line of one cell is a title within the table. */
function markdown([headings, ...body]: readonly Line[]): string[] {
  const row = (cells: Line) => `| ${cells.join(" | ")} |`;
  const rule = headings.map((_, column) => (column === 0 ? "---" : "---:"));
  const empty = headings.slice(1).map(() => "");
  return [
    row(headings),
    row(rule),
    ...body.map((line) => row(line.length === 1 ? [`**${line[0]}**`, ...empty] : line)),
  ];
}

/** The tables that people read: on the terminal, and in docs/performance.md. */
import type { Row } from "./measure.ts";
import { duration, MISSING, number, percent } from "./numbers.ts";
import type { PeerName } from "./peers.ts";
import { geometricMean, spread } from "./statistics.ts";
import {
  floorOf,
  isApart,
  means,
  processRatio,
  ratio,
  speed,
  TARGETS,
  type Target,
  type Verdict,
  wantedOf,
} from "./targets.ts";

interface Column {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** One measurement says nothing about it. */
  readonly judges?: true;
  /** Of the group, where it has one. */
  readonly mean?: (row: Row) => number | undefined;
}

const time =
  (peer: PeerName) =>
  ({ figures }: Row): string =>
    duration(figures.get(peer)?.nanoseconds);

const quotient = (title: string, value: (row: Row) => number | undefined): Column => ({
  title,
  cell: (row) => number(value(row)),
  mean: value,
});

/** Of a peer that took no part there is none. */
const COLUMNS: readonly Column[] = [
  { title: "Gaoler", cell: time("Gaoler") },
  { title: "TCG", cell: time("QEMU TCG") },
  { title: "icount", cell: time("TCG icount") },
  { title: "native", cell: time("native") },
  { title: "wasm", cell: time("wasm") },
  quotient("TCG/Gaoler", speed),
  {
    title: "target",
    judges: true,
    cell: (row) => verdictOf(speed(row), wantedOf(row.workload), floorOf(row.workload)),
  },
  quotient("icount/Gaoler", (row) => ratio(row, "TCG icount", "Gaoler")),
  quotient("TCG/wasm", (row) => ratio(row, "QEMU TCG", "wasm")),
  quotient("Gaoler/native", (row) => ratio(row, "Gaoler", "native")),
  { title: "spread", judges: true, cell: spreads },
  quotient("process", processRatio),
  { title: "warm-up", cell: warmUp },
  quotient("M instr/s", ({ figures }) => {
    const rate = figures.get("Gaoler")?.instructionsPerSecond;
    return rate === undefined ? undefined : rate / 1e6;
  }),
  { title: "checksum", cell: agreement },
];

/** What the target column says; the table's legend explains it. */
export const MARKS = { reached: "ok", below: "below", missed: "MISSED" };

/** A workload below the mean that its group wants is only missed if it has a floor, and is below that. */
function verdictOf(value: number | undefined, wanted: number, floor: number | undefined): string {
  if (value === undefined) return MISSING;
  if (value >= wanted) return MARKS.reached;
  return floor !== undefined && value < floor ? MARKS.missed : MARKS.below;
}

const verdict = ({ wanted, holds }: Verdict): string =>
  `>= ${wanted} ${holds ? MARKS.reached : MARKS.missed}`;

function spreads({ figures }: Row): string {
  const of = (peer: PeerName) => {
    const figure = figures.get(peer);
    return percent(figure && spread(figure.samples));
  };
  return `${of("Gaoler")}, ${of("QEMU TCG")}`;
}

function warmUp({ processes }: Row): string {
  const figure = processes.get("Gaoler");
  return figure === undefined ? MISSING : `${figure.warmUpMilliseconds.toFixed(0)} ms`;
}

function agreement({ checksums, problems }: Row): string {
  if (problems.length > 0) return "PROBLEM";
  return checksums.size > 1 ? `same on ${checksums.size}` : "not compared";
}

/** A title alone, or as many cells as there are headings. */
export type Line = readonly string[];

/** Headings first; then the groups with their workloads and geometric means; then the mean of all but string. */
export function lines(rows: readonly Row[]): Line[] {
  const once = rows.every(({ figures }) =>
    [...figures.values()].every(({ samples }) => samples.length === 1),
  );
  const columns = COLUMNS.filter(
    ({ cell, mean, judges }) =>
      !(judges && once) &&
      (rows.some((row) => cell(row) !== MISSING) || rows.some((row) => mean?.(row) !== undefined)),
  );
  const verdicts = means(rows);
  const meanLine = (
    title: string,
    some: readonly Row[],
    judged: string,
    with_: boolean,
  ): Line[] => {
    const found = verdicts.find(({ what }) => what === judged);
    if (!with_ || found === undefined) return [];
    return [
      [
        title,
        ...columns.map((column) =>
          column.title === "target"
            ? verdict(found)
            : column.mean === undefined
              ? ""
              : number(geometricMean(some.map(column.mean))),
        ),
      ],
    ];
  };
  const groupLines = ({ group, title }: Target): Line[] => {
    const some = rows.filter(({ workload }) => workload.group === group);
    if (some.length === 0) return [];
    const counted = some.filter(({ workload }) => !isApart(workload));
    return [
      [title],
      ...some.map((row) => [row.workload.name, ...columns.map(({ cell }) => cell(row))]),
      ...meanLine("geometric mean", counted, title, some.length > 1),
    ];
  };
  return [
    ["", ...columns.map(({ title }) => title)],
    ...TARGETS.flatMap(groupLines),
    ...meanLine(
      "all but string",
      rows.filter(({ workload }) => workload.group !== "string"),
      "all but string",
      rows.length > 1,
    ),
  ];
}

/** For the terminal: names to the left, everything else to the right, an empty line before a title. */
export function table(rows: readonly Row[]): string[] {
  const all = lines(rows);
  const whole = all.filter((line) => line.length > 1);
  const widths = all[0].map((_, column) => Math.max(...whole.map((line) => line[column].length)));
  return all.flatMap((line) =>
    line.length < 2
      ? ["", line[0]]
      : [
          line
            .map((cell, column) =>
              column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
            )
            .join("  ")
            .trimEnd(),
        ],
  );
}

/** What a timer interrupt adds to a guest that computes, see guest/system/apic.c. */
export function timerCosts(rows: readonly Row[]): string[] {
  const row = (name: string) => rows.find(({ workload }) => workload.name === name);
  const ticking = row("timer-10khz");
  const alone = row("integer-loop");
  if (ticking === undefined || alone === undefined) return [];
  const costs = (["Gaoler", "QEMU TCG", "TCG icount"] as const).flatMap((peer) => {
    const [a, b] = [ticking, alone].map(({ figures }) => figures.get(peer)?.nanoseconds);
    if (a === undefined || b === undefined) return [];
    // virtual time passes with instructions, 1 ns each; on TCG it is the host's
    const virtualNs = peer === "QEMU TCG" ? a : INTEGER_LOOP_INSTRUCTIONS;
    const cost = (a - b) / (virtualNs / TICK_NS);
    return [`${peer} ${cost <= 0 ? "less than the noise" : duration(cost)}`];
  });
  return [`a timer interrupt at 10 kHz costs a guest that computes: ${costs.join(", ")}`];
}

const TICK_NS = 100_000;
/** Of a round. */
const INTEGER_LOOP_INSTRUCTIONS = 500_000;

/** What is left of a process's memory without the guest's. */
export function memoryAboveRam(rows: readonly Row[]): { name: string; mib: number } | undefined {
  const each = rows.flatMap(({ workload: { name, touchedMiB }, processes }) => {
    const peak = processes.get("Gaoler")?.peakBytes;
    return peak === undefined ? [] : [{ name, mib: peak / 2 ** 20 - touchedMiB }];
  });
  return each.sort((a, b) => b.mib - a.mib)[0];
}

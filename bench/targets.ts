/** What Gaoler wants to be against QEMU's TCG, and whether it is: TCG's time by Gaoler's. */
import type { Row } from "./measure.ts";
import type { PeerName } from "./peers.ts";
import { geometricMean } from "./statistics.ts";
import type { Group, Workload } from "./workloads.ts";

export interface Target {
  readonly group: Group;
  readonly title: string;
  /** At least, for the geometric mean of the group. */
  readonly mean: number;
  /** At least, for each workload. */
  readonly each?: number;
}

export const TARGETS: readonly Target[] = [
  { group: "integer", title: "integer", mean: 1.5, each: 1 },
  { group: "control", title: "control flow", mean: 1.5, each: 1 },
  { group: "double", title: "double precision", mean: 6 },
  { group: "simd", title: "single precision and SIMD", mean: 6 },
  { group: "memory", title: "memory", mean: 4 },
  { group: "string", title: "string instructions", mean: 50 },
  { group: "x87", title: "x87", mean: 1.5 },
  { group: "system", title: "system", mean: 1, each: 1 },
];

/** Of a workload that waits for the host's memory: not part of its group's mean. */
const APART: ReadonlyMap<string, number> = new Map([["pointer-chase", 1]]);

/** Geometric mean of everything but the string instructions. */
export const ALL_BUT_STRING = 3;
export const MEMORY_ABOVE_RAM_MIB = 150;
export const COLD_START_MS = 400;

/** Time of one peer by that of another; undefined if either has none. */
export function ratio({ figures }: Row, over: PeerName, under: PeerName): number | undefined {
  const a = figures.get(over);
  const b = figures.get(under);
  return a === undefined || b === undefined ? undefined : a.nanoseconds / b.nanoseconds;
}

/** The same of whole processes. */
export function processRatio({ processes }: Row): number | undefined {
  const a = processes.get("QEMU TCG");
  const b = processes.get("Gaoler");
  return a === undefined || b === undefined ? undefined : a.milliseconds / b.milliseconds;
}

export const speed = (row: Row): number | undefined => ratio(row, "QEMU TCG", "Gaoler");

/** What a workload of its own must not fall below; undefined: only its group's mean counts. */
export const floorOf = ({ name, group }: Workload): number | undefined =>
  APART.get(name) ?? targetOf(group).each;

/** What a workload would have for its group to reach its target with nothing else. */
export const wantedOf = ({ name, group }: Workload): number =>
  APART.get(name) ?? targetOf(group).mean;

export function targetOf(group: Group): Target {
  const target = TARGETS.find((each) => each.group === group);
  if (target === undefined) throw new RangeError(`no target for ${group}`);
  return target;
}

export const isApart = ({ name }: Workload): boolean => APART.has(name);

export interface Verdict {
  /** Group, workload, or what else is judged. */
  readonly what: string;
  readonly value: number;
  readonly wanted: number;
  readonly holds: boolean;
}

const judge = (what: string, value: number | undefined, wanted: number): Verdict[] =>
  value === undefined ? [] : [{ what, value, wanted, holds: value >= wanted }];

/** Means of groups, and of all but string. */
export const means = (rows: readonly Row[], value = speed): Verdict[] => [
  ...TARGETS.flatMap(({ group, title, mean }) =>
    judge(
      title,
      geometricMean(
        rows.filter(({ workload }) => workload.group === group && !isApart(workload)).map(value),
      ),
      mean,
    ),
  ),
  ...judge(
    "all but string",
    geometricMean(rows.filter(({ workload }) => workload.group !== "string").map(value)),
    ALL_BUT_STRING,
  ),
];

/** Workloads that have a floor of their own. */
export const floors = (rows: readonly Row[]): Verdict[] =>
  rows.flatMap((row) => {
    const floor = floorOf(row.workload);
    return floor === undefined ? [] : judge(row.workload.name, speed(row), floor);
  });

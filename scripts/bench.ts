/**
 * How fast guests run: here, on QEMU's software engine, as native programs and as plain WebAssembly.
 * See bench/README.md.
 *
 *     npm run bench                       all of it, a quarter of an hour
 *     npm run bench -- --quick            a few workloads once: are the checksums right?
 *     npm run bench -- --only crc32       one workload, or all of a group; may be given several times
 *     npm run bench -- --processor        by processor time, for a machine that is busy (Linux only)
 *     npm run bench -- --json FILE        every sample, for programs
 *     npm run bench -- --write            all of it, into docs/performance.md and its chart
 *
 * Exit status: 0, or 1 if a workload failed or a checksum differs, or 2 for bad usage.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, buildNative, buildWasm, missingTools } from "../bench/build.ts";
import { chart } from "../bench/chart.ts";
import type { ClockName } from "../bench/clock.ts";
import {
  COLD_START,
  type ColdStart,
  coldStartLine,
  measureColdStart,
} from "../bench/cold-start.ts";
import { environment, environmentLine } from "../bench/environment.ts";
import {
  HYPERCALL,
  type HypercallFigures,
  hypercallLine,
  runHypercalls,
} from "../bench/hypercalls.ts";
import { buildInmate, missingInmateTools } from "../bench/inmates.ts";
import { type IntegerLoopRun, integerLoopResult, runIntegerLoop } from "../bench/integer-loop.ts";
import {
  LINK_WORKLOADS,
  type LinkFigures,
  linkTable,
  QUICK_LINKS,
  runLink,
} from "../bench/links.ts";
import { BRIEF, COARSE, measure, type Row, THOROUGH } from "../bench/measure.ts";
import { unexplained, withMeasured } from "../bench/page.ts";
import { gaoler, native, type Peer, qemu, wasm } from "../bench/peers.ts";
import {
  POWER_PLANT,
  type PowerPlantFigures,
  powerPlantLine,
  runPowerPlant,
} from "../bench/power-plant.ts";
import { memoryAboveRam, table, timerCosts } from "../bench/report.ts";
import { TARGETS } from "../bench/targets.ts";
import { QUICK, WORKLOADS } from "../bench/workloads.ts";
import { commandLine, wrongUsage } from "./command-line.ts";

const LOOP_TURNS = { check: 20_000, quick: 1_500_000, thorough: 4_000_000 };
const STARTS = { quick: 1, thorough: 7 };
const QUICK_CALLS = 2000;
const DOCS = join(import.meta.dirname, "../docs");
const PAGE = join(DOCS, "performance.md");
const CHART = join(DOCS, "performance.svg");

interface Options {
  readonly quick: boolean;
  readonly write: boolean;
  readonly clock: ClockName;
  readonly only: readonly string[];
  readonly json: string | undefined;
}

function options(): Options {
  const { values } = commandLine(import.meta.filename, {
    options: {
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      processor: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
    },
  });
  const workloads = [...WORKLOADS, ...LINK_WORKLOADS].map(({ name }) => name);
  const groups = TARGETS.map(({ group }) => group);
  const names = [...workloads, HYPERCALL, POWER_PLANT, COLD_START, ...groups];
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined)
    wrongUsage(import.meta.filename, `--only ${unknown}: must be one of ${names.join(", ")}`);
  if (values.write && (values.quick || values.only.length > 0))
    wrongUsage(
      import.meta.filename,
      "--write: the page shows all of it, without --quick and --only",
    );
  return { ...values, json: values.json, clock: values.processor ? "processor" : "wall" };
}

/** Named itself, or by its group. */
const chosen = <W extends { readonly name: string; readonly group?: string }>(
  { only, quick }: Options,
  all: readonly W[],
  quickOnes: readonly string[],
): readonly W[] =>
  all.filter(({ name, group }) =>
    only.length > 0
      ? only.includes(name) || (group !== undefined && only.includes(group))
      : !quick || quickOnes.includes(name),
  );

const wanted = ({ only }: Options, name: string): boolean =>
  only.length === 0 || only.includes(name);

/** The headline: first that it computes what it should, and the engine is warm; then how fast. */
async function integerLoop(quick: boolean): Promise<IntegerLoopRun> {
  const { result } = await runIntegerLoop(LOOP_TURNS.check);
  const expected = integerLoopResult(LOOP_TURNS.check);
  if (result !== expected)
    throw new Error(
      `the integer loop returned 0x${result.toString(16)}, not 0x${expected.toString(16)}`,
    );
  return runIntegerLoop(quick ? LOOP_TURNS.quick : LOOP_TURNS.thorough);
}

/** Who can take part; says who cannot. */
function assemble(folder: string, by: ClockName): Peer[] {
  const guest = buildGuest(folder);
  const program = buildNative(folder);
  const module = buildWasm(folder);
  const peers: readonly [peer: Peer | undefined, without: string][] = [
    [gaoler(guest, by), ""],
    [qemu(guest, "QEMU TCG", by), "QEMU TCG (qemu-system-x86_64 is not installed)"],
    [qemu(guest, "TCG icount", by), "TCG icount (qemu-system-x86_64 is not installed)"],
    [
      program === undefined ? undefined : native(program, by),
      "native (needs an x86-64 machine and a C library)",
    ],
    [
      module === undefined ? undefined : wasm(module, by),
      "wasm (needs clang for wasm32, and wasm-ld)",
    ],
  ];
  return peers.flatMap(([peer, without]) => {
    if (peer === undefined) console.log(`skipped: ${without}`);
    return peer ?? [];
  });
}

/** Calls with a folder that is gone afterwards. */
async function inFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-"));
  try {
    return await action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function workloads(given: Options): Promise<Row[]> {
  const some = chosen(given, WORKLOADS, QUICK);
  if (some.length === 0) return [];
  const missing = missingTools();
  if (missing.length > 0) {
    console.log(`skipped: all workloads (not installed: ${missing.join(", ")})`);
    return [];
  }
  return inFolder(async (folder) => {
    const peers = assemble(folder, given.clock);
    const rows: Row[] = [];
    for (const workload of some) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${workload.name} ...`);
      rows.push(
        await measure(
          workload,
          peers,
          given.quick ? BRIEF : given.clock === "processor" ? COARSE : THOROUGH,
        ),
      );
    }
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    return rows;
  });
}

interface InmateFigures {
  readonly hypercalls: HypercallFigures | undefined;
  readonly links: readonly LinkFigures[];
}

/** Hypercalls, doorbells, messages. @throws Error if one was lost or damaged */
async function inmates(given: Options): Promise<InmateFigures> {
  const some = chosen(given, LINK_WORKLOADS, QUICK_LINKS);
  const calls = wanted(given, HYPERCALL);
  if (some.length === 0 && !calls) return { hypercalls: undefined, links: [] };
  const missing = missingInmateTools();
  if (missing.length > 0) {
    console.log(`skipped: hypercalls and links (not installed: ${missing.join(", ")})`);
    return { hypercalls: undefined, links: [] };
  }
  return inFolder(async (folder) => {
    const hypercalls = calls
      ? await runHypercalls(buildInmate("hypercall", folder), given.quick ? QUICK_CALLS : undefined)
      : undefined;
    const image = buildInmate("link", folder);
    const links: LinkFigures[] = [];
    for (const workload of some)
      links.push(await runLink(image, workload, given.quick ? 500 : undefined));
    return { hypercalls, links };
  });
}

/** @throws Error if the plant did not come to its end */
const powerPlant = async (given: Options): Promise<PowerPlantFigures | undefined> =>
  wanted(given, POWER_PLANT) ? runPowerPlant() : undefined;

const coldStart = async (given: Options): Promise<ColdStart | undefined> =>
  wanted(given, COLD_START)
    ? measureColdStart(given.quick ? STARTS.quick : STARTS.thorough)
    : undefined;

const LEGEND = [
  "Times are of a round, of system workloads of one operation. TCG/Gaoler: 2 is twice as fast as TCG.",
  "target: the workload against its group's; MISSED: below what it must have by itself.",
  "spread: largest less smallest by median, of Gaoler and of TCG. process: TCG/Gaoler by the time of",
  "whole processes of about a second on TCG. warm-up: how much longer Gaoler's took than at full speed.",
];

/** @returns the exit status */
async function bench(given: Options): Promise<number> {
  const here = environment();
  console.log(environmentLine(here));
  const loop = await integerLoop(given.quick);
  console.log(
    `integer loop: ${(loop.instructionsPerSecond / 1e6).toFixed(1)} million guest instructions a second`,
  );
  const rows = await workloads(given);
  if (rows.length > 0) console.log(`\n${[...table(rows), "", ...LEGEND].join("\n")}\n`);
  for (const line of timerCosts(rows)) console.log(line);
  const memory = memoryAboveRam(rows);
  if (memory)
    console.log(`memory above guest RAM: at most ${memory.mib.toFixed(0)} MiB (${memory.name})`);
  const { hypercalls, links } = await inmates(given);
  if (hypercalls !== undefined) console.log(hypercallLine(hypercalls));
  const cold = await coldStart(given);
  if (cold !== undefined) console.log(coldStartLine(cold));
  const plant = await powerPlant(given);
  if (plant !== undefined) console.log(powerPlantLine(plant));
  if (links.length > 0) console.log(`\n${linkTable(links).join("\n")}`);
  const problems = rows.flatMap((row) => row.problems);
  for (const problem of problems) console.error(`error: ${problem}`);
  if (given.json !== undefined) {
    const result = {
      environment: here,
      times: given.clock,
      integerLoop: { instructionsPerSecond: loop.instructionsPerSecond },
      workloads: rows.map(({ workload, figures, processes, checksums }) => ({
        ...workload,
        checksums: Object.fromEntries(checksums),
        figures: Object.fromEntries(figures),
        processes: Object.fromEntries(processes),
      })),
      memoryAboveRam: memory,
      hypercalls,
      coldStart: cold,
      links,
      powerPlant: plant,
      problems,
    };
    writeFileSync(given.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
  if (given.write && cold !== undefined) {
    const doorbell = links.find(({ name }) => name === "doorbell-cell");
    const measured = {
      by: given.clock,
      environment: here,
      rows,
      coldStart: cold,
      more: [
        ...(hypercalls ? [hypercallLine(hypercalls)] : []),
        ...(doorbell
          ? [`doorbell round trip between two cells: ${Math.round(doorbell.roundNs)} ns`]
          : []),
        ...(plant ? [powerPlantLine(plant)] : []),
      ],
    };
    const page = withMeasured(readFileSync(PAGE, "utf8"), measured);
    writeFileSync(PAGE, page);
    writeFileSync(CHART, chart(rows));
    const reasons = unexplained(page, measured);
    if (reasons.length > 0)
      console.log(
        `note: docs/performance.md says nothing yet about these misses: ${reasons.join(", ")}`,
      );
  }
  return problems.length > 0 ? 1 : 0;
}

process.exitCode = await bench(options());

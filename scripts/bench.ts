/**
 * How fast guests run: here, on QEMU's software engine, and as native programs. See bench/README.md.
 *
 *     npm run bench                       all of it, some minutes
 *     npm run bench -- --quick            a few workloads once: are the checksums right?
 *     npm run bench -- --only crc32       one workload; may be given several times
 *     npm run bench -- --json FILE        every sample, for programs
 *
 * Exit status: 0, or 1 if a workload failed or a checksum differs, or 2 for bad usage.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, buildNative, missingTools } from "../bench/build.ts";
import { type IntegerLoopRun, integerLoopResult, runIntegerLoop } from "../bench/integer-loop.ts";
import {
  buildLinkInmate,
  LINK_WORKLOADS,
  type LinkFigures,
  linkTable,
  missingLinkTools,
  QUICK_LINKS,
  runLink,
} from "../bench/links.ts";
import { BRIEF, measure, type Row, THOROUGH } from "../bench/measure.ts";
import { gaoler, native, type Peer, qemuTcg } from "../bench/peers.ts";
import {
  POWER_PLANT,
  type PowerPlantFigures,
  powerPlantLine,
  runPowerPlant,
} from "../bench/power-plant.ts";
import { table } from "../bench/report.ts";
import { QUICK, WORKLOADS, type Workload } from "../bench/workloads.ts";
import { commandLine, wrongUsage } from "./command-line.ts";

const LOOP_TURNS = { check: 20_000, quick: 1_500_000, thorough: 4_000_000 };

interface Options {
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly json: string | undefined;
}

function options(): Options {
  const { values } = commandLine(import.meta.filename, {
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
    },
  });
  const names = [...[...WORKLOADS, ...LINK_WORKLOADS].map(({ name }) => name), POWER_PLANT];
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined)
    wrongUsage(import.meta.filename, `--only ${unknown}: must be one of ${names.join(", ")}`);
  return { ...values, json: values.json };
}

function chosen<W extends { readonly name: string }>(
  { only, quick }: Options,
  all: readonly W[],
  quickOnes: readonly string[],
): readonly W[] {
  return all.filter(({ name }) =>
    only.length > 0 ? only.includes(name) : !quick || quickOnes.includes(name),
  );
}

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
function assemble(folder: string): Peer[] {
  const guest = buildGuest(folder);
  const tcg = qemuTcg(guest);
  if (tcg === undefined) console.log("skipped: QEMU TCG (qemu-system-x86_64 is not installed)");
  const program = buildNative(folder);
  if (program === undefined)
    console.log("skipped: native (needs an x86-64 machine and a C library)");
  return [
    gaoler(guest),
    ...(tcg === undefined ? [] : [tcg]),
    ...(program === undefined ? [] : [native(program)]),
  ];
}

async function workloads(given: Options): Promise<Row[]> {
  const some: readonly Workload[] = chosen(given, WORKLOADS, QUICK);
  if (some.length === 0) return [];
  const missing = missingTools();
  if (missing.length > 0) {
    console.log(`skipped: all workloads (not installed: ${missing.join(", ")})`);
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-"));
  try {
    const peers = assemble(folder);
    const rows: Row[] = [];
    for (const workload of some) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${workload.name} ...`);
      rows.push(await measure(workload, peers, given.quick ? BRIEF : THOROUGH));
    }
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Doorbells and messages. @throws Error if a message was lost or damaged */
async function links(given: Options): Promise<LinkFigures[]> {
  const some = chosen(given, LINK_WORKLOADS, QUICK_LINKS);
  if (some.length === 0) return [];
  const missing = missingLinkTools();
  if (missing.length > 0) {
    console.log(`skipped: links (not installed: ${missing.join(", ")})`);
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-"));
  try {
    const image = buildLinkInmate(folder);
    const figures: LinkFigures[] = [];
    for (const workload of some)
      figures.push(await runLink(image, workload, given.quick ? 500 : undefined));
    return figures;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @throws Error if the plant did not come to its end */
const powerPlant = async ({ only }: Options): Promise<PowerPlantFigures | undefined> =>
  only.length === 0 || only.includes(POWER_PLANT) ? runPowerPlant() : undefined;

/** @returns the exit status */
async function bench(given: Options): Promise<number> {
  const loop = await integerLoop(given.quick);
  console.log(
    `integer loop: ${(loop.instructionsPerSecond / 1e6).toFixed(1)} million guest instructions a second`,
  );
  const rows = await workloads(given);
  if (rows.length > 0) console.log(`\n${table(rows).join("\n")}`);
  const linkFigures = await links(given);
  if (linkFigures.length > 0) console.log(`\n${linkTable(linkFigures).join("\n")}`);
  const plant = await powerPlant(given);
  if (plant !== undefined) console.log(`\n${powerPlantLine(plant)}`);
  const problems = rows.flatMap((row) => row.problems);
  for (const problem of problems) console.error(`error: ${problem}`);
  if (given.json !== undefined) {
    const result = {
      integerLoop: { instructionsPerSecond: loop.instructionsPerSecond },
      workloads: rows.map(({ workload, figures, checksums }) => ({
        ...workload,
        checksums: Object.fromEntries(checksums),
        figures: Object.fromEntries(figures),
      })),
      links: linkFigures,
      powerPlant: plant,
      problems,
    };
    writeFileSync(given.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
  return problems.length > 0 ? 1 : 0;
}

process.exitCode = await bench(options());

/**
 * Floating point, proven: `npm run float -- [PART ...]`. Parts, all of them without an argument:
 *
 *     vectors     x87, SSE and FMA instructions against the host CPU: operand tuples with all
 *                 roundings, precisions, masks, FTZ and DAZ
 *     testfloat   Berkeley TestFloat's vectors, if GAOLER_TESTFLOAT names a folder with testfloat_gen
 *     libm        a mathematical library in an inmate against the same on the host; LIBM names another
 *
 *     --cases N       vectors: tuples for each instruction (20,000, which are all pairs of edge cases)
 *     --seed S        vectors: of what is random
 *     --limit N       testfloat: vectors of each function in each mode (50,000: all of level 1)
 *     --level 1|2     testfloat: its own
 *     --arguments N   libm: of each function, at most 100,000
 *     --only REGEX    vectors, testfloat: instructions or functions
 *     --brief         vectors: only instructions with differences
 *
 * What a part needs and does not find is named, and the part skipped. Exit status 1: something differs.
 */
import type { Case } from "../src/engine/testing/case.ts";
import { cases, describeCase, differences, ulps } from "../src/engine/testing/float/cases.ts";
import { EngineRecords } from "../src/engine/testing/float/machine.ts";
import { Random } from "../src/engine/testing/float/operands.ts";
import {
  isDefinedEverywhere,
  OPERATIONS,
  type Operation,
} from "../src/engine/testing/float/operations.ts";
import { Silicon } from "../src/engine/testing/silicon.ts";
import { commandLine, expression, wrongUsage } from "./command-line.ts";
import { compareLibm, LIBM, missingForLibm } from "./float/libm.ts";
import { testFloat } from "./float/testfloat.ts";

const PARTS = ["vectors", "testfloat", "libm"] as const;
const SHOWN = 4;

const { values, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    cases: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    limit: { type: "string", default: "50000" },
    arguments: { type: "string", default: "100000" },
    only: { type: "string", default: "" },
    level: { type: "string", default: "1" },
    brief: { type: "boolean", default: false },
  },
});
const wanted = positionals.length > 0 ? positionals : [...PARTS];
const only = expression(import.meta.filename, "--only", values.only);
const seed = Number(values.seed);
const unknown = wanted.find((part) => !(PARTS as readonly string[]).includes(part));
if (unknown !== undefined)
  wrongUsage(import.meta.filename, `there is no part "${unknown}": ${PARTS.join(", ")}`);

let failed = false;
/** On other processors only what all vendors define is compared. */
const opened = Silicon.open();
const isAmd = opened instanceof Silicon && opened.isAmd;

/** A line of a table; what differs comes behind it. */
function line(columns: readonly (readonly [string | number, number])[], found: readonly string[]) {
  console.log(
    columns
      .map(([text, width]) =>
        typeof text === "number" ? `${text}`.padStart(width) : text.padEnd(width),
      )
      .join("  ")
      .trimEnd(),
  );
  for (const text of found.slice(0, SHOWN)) console.log(`    ${text}`);
  if (found.length > SHOWN) console.log(`    ... and ${found.length - SHOWN} more`);
  if (found.length > 0) failed = true;
}

interface Tally {
  cases: number;
  different: number;
  /** Of approximate results that differ in the last place. */
  near: number;
}

/** One line a group: what all of a mnemonic's forms have in common. */
function vectors(perOperation: number): void {
  if (!(opened instanceof Silicon)) {
    console.log(`vectors: skipped, they need ${opened.missing}`);
    return;
  }
  const silicon = opened;
  const engine = new EngineRecords();
  const groups = Map.groupBy(
    OPERATIONS.filter(
      (operation) => only.test(operation.name) && (isAmd || isDefinedEverywhere(operation)),
    ),
    ({ name, unit }) => `${unit} ${name.split(" ")[0]}`,
  );
  const sum: Tally = { cases: 0, different: 0, near: 0 };
  const missing: string[] = [];
  console.log(`vectors, seed ${seed}: instruction, cases, differences, one place off\n`);
  for (const [name, operations] of groups) {
    const tally: Tally = { cases: 0, different: 0, near: 0 };
    const found: string[] = [];
    for (const operation of operations) {
      if (!engine.knows(operation.code)) missing.push(operation.name);
      else found.push(...compare(engine, silicon, operation, perOperation, tally));
    }
    sum.cases += tally.cases;
    sum.different += tally.different;
    sum.near += tally.near;
    if (tally.cases > 0 && (!values.brief || tally.different > 0))
      line(
        [
          [name, 24],
          [tally.cases, 9],
          [tally.different, 6],
          [tally.near, 6],
        ],
        found,
      );
  }
  line(
    [
      ["all", 24],
      [sum.cases, 9],
      [sum.different, 6],
      [sum.near, 6],
    ],
    [],
  );
  if (missing.length > 0)
    console.log(
      `not in the engine: ${missing.length} forms, ${missing.slice(0, 3).join(", ")} ...`,
    );
}

function compare(
  engine: EngineRecords,
  silicon: Silicon,
  operation: Operation,
  perOperation: number,
  tally: Tally,
): string[] {
  const random = new Random(seed);
  const found: string[] = [];
  const records = cases(operation, random, perOperation, !isAmd);
  const answers = silicon.answer(records);
  const before = records.map((record) => record.u8.slice());
  engine.run(operation.code, records);
  records.forEach((record, k) => {
    const answer = answers[k] as Case;
    tally.cases++;
    const text = differences(operation, record, answer);
    if (text !== "") {
      tally.different++;
      record.u8.set(before[k] as Uint8Array);
      found.push(`${describeCase(operation, record)}: ${text}`);
    } else if (operation.approximate) {
      const off = [0, 1].some((k) => ulps(record.st(k), answer.st(k)) > 0);
      if (off) tally.near++;
    }
  });
  return found;
}

async function berkeley(limit: number): Promise<void> {
  const folder = process.env.GAOLER_TESTFLOAT;
  if (folder === undefined) {
    console.log("testfloat: skipped, GAOLER_TESTFLOAT names no folder with testfloat_gen");
    return;
  }
  console.log("TestFloat: function and instruction, modes, vectors, differences\n");
  const level = values.level === "2" ? 2 : 1;
  let total = 0;
  let different = 0;
  for await (const row of testFloat(new EngineRecords(), { folder, only, level, limit })) {
    total += row.vectors;
    different += row.differences.length;
    const state = row.unknown ? "not in the engine" : row.vectors;
    line(
      [
        [row.name, 48],
        [row.modes, 3],
        [state, 9],
        [row.differences.length, 6],
      ],
      row.differences,
    );
  }
  line(
    [
      ["all", 48],
      ["", 3],
      [total, 9],
      [different, 6],
    ],
    [],
  );
}

async function libm(perFunction: number): Promise<void> {
  const missing = missingForLibm();
  if (missing.length > 0) {
    console.log(`libm: skipped, missing: ${missing.join(", ")}`);
    return;
  }
  console.log(`${LIBM} in an inmate: function, arguments, differences, places at most\n`);
  for await (const row of compareLibm(perFunction))
    line(
      [
        [row.name, 24],
        [row.count, 9],
        [row.different, 6],
        [row.largest, 6],
      ],
      row.good ? [] : [row.first ?? ""],
    );
}

if (wanted.includes("vectors")) vectors(Number(values.cases));
if (wanted.includes("testfloat")) await berkeley(Number(values.limit));
if (wanted.includes("libm")) await libm(Number(values.arguments));
if (opened instanceof Silicon) opened.close();
if (failed) process.exitCode = 1;

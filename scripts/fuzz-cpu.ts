/**
 * The instruction table against the host's own CPU:
 * `npm run fuzz:cpu -- [--cases N] [--seed S] [--only MNEMONICS] [--jit MODE] [--case 'CASE']`.
 *
 * Random encodings of every row of the table run on both; what differs is made as simple as it
 * goes and printed as a line that `--case` takes. Exits with 1 on a difference. Where
 * there is no CPU to compare with it says so and does nothing.
 */
import { parseArgs } from "node:util";
import { ALLOWANCE_REASONS } from "../src/engine/testing/allowances.ts";
import { Batch, Case } from "../src/engine/testing/case.ts";
import { differences } from "../src/engine/testing/compare.ts";
import { EngineCpu } from "../src/engine/testing/engine-cpu.ts";
import { Generator, MODES, type Shape } from "../src/engine/testing/generate.ts";
import { whereAllowed, whyNotRun } from "../src/engine/testing/not-run.ts";
import { Random } from "../src/engine/testing/random.ts";
import { shrink } from "../src/engine/testing/shrink.ts";
import { Silicon } from "../src/engine/testing/silicon.ts";
import { decodeCase, formatCase, formatOutcome, parseCase } from "../src/engine/testing/text.ts";
import { JITS } from "../src/engine/wasm/regions/jit.ts";
import { disassembleBytes } from "../src/engine/x86/disassemble.ts";
import type { Row } from "../src/engine/x86/row.ts";
import { TABLE } from "../src/engine/x86/table.ts";

/** Most sets of values that an encoding is run with: making a template costs more than running it. */
const MAXIMUM_SETS = 16;
/** Encodings of each row, if there are cases enough: of some, only a few can be run. */
const VISITS = 8;
const BATCH = 4096;
/** Differences shown of one row. */
const SHOWN = 1;

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string" },
    only: { type: "string", default: "." },
    jit: { type: "string", default: "on" },
    case: { type: "string" },
  },
});

const opened = Silicon.open();
if (!(opened instanceof Silicon)) {
  console.log(`skipped: this needs ${opened.missing}`);
  process.exit();
}
const silicon = opened;
const jit = JITS.find((mode) => mode === values.jit);
if (jit === undefined) {
  console.error(`--jit ${values.jit}: must be one of ${JITS.join(", ")}`);
  process.exit(2);
}
const cpu = new EngineCpu(jit);
process.exitCode = values.case === undefined ? campaign() : single(values.case);
silicon.close();

/** One case, with everything it does. */
function single(text: string): number {
  const before = parseCase(text);
  const engine = new Case();
  engine.copy(before);
  cpu.run(engine);
  const [answer] = silicon.answer([before]);
  const listing = disassembleBytes(before.code, MODES[before.bits], before.u64[5] ?? 0n);
  console.log(`${listing?.text ?? "(no instruction)"}`);
  console.log(`engine:  ${formatOutcome(before, engine)}`);
  console.log(`silicon: ${formatOutcome(before, answer as Case)}`);
  const found = differences(before, engine, answer as Case, decodeCase(before));
  for (const { text: difference } of found) console.log(`differs: ${difference}`);
  return found.length > 0 ? 1 : 0;
}

function describeRow({ mnemonic, operands, map, opcode, reg, prefix, vex }: Row): string {
  const maps = ["", "0f ", "0f 38 ", "0f 3a "];
  const parts = [vex === undefined ? "" : "VEX ", prefix === undefined ? "" : `${prefix} `];
  const code = opcode.toString(16).padStart(2, "0");
  const extension = reg < 0 ? "" : ` /${reg}`;
  return `${mnemonic} ${operands.map(({ text }) => text).join(",")} (${parts.join("")}${maps[map & 3]}${code}${extension})`;
}

function campaign(): number {
  const total = Number(values.cases);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const only = new RegExp(`^(${values.only})$`);
  const chosen = TABLE.rows.filter(({ mnemonic }) => values.only === "." || only.test(mnemonic));
  const rows = chosen.filter((row) => whyNotRun(row) === undefined);
  if (!(total > 0) || !Number.isInteger(seed) || rows.length === 0) {
    console.error("--cases is a positive number, --seed an integer, --only names mnemonics");
    return 2;
  }
  console.log(`${total} cases of ${rows.length} rows, seed ${seed}, on ${silicon.cpu}`);
  const random = new Random(seed);
  const generator = new Generator(random);
  const sets = Math.min(MAXIMUM_SETS, Math.max(1, Math.floor(total / (VISITS * rows.length))));
  const casesOf = new Map<Row, number>();
  const differing = new Map<Row, number>();
  const allowed = new Map<string, number>();
  const exceptions = new Map<number, number>();
  const before = new Batch(BATCH);
  const engine = new Batch(BATCH);
  const shapes: Shape[] = [];
  const order = [...rows];
  let next = 0;
  let differences_ = 0;
  const started = performance.now();

  const nextShape = (): Shape => {
    for (;;) {
      if (next % order.length === 0) shuffle(order, random);
      const row = order[next++ % order.length] as Row;
      // Some choices have no encoding that can be run.
      for (let tries = 0; tries < 20; tries++) {
        const shape = generator.shape(row);
        if (shape !== undefined) return shape;
      }
    }
  };

  for (let done = 0; done < total; ) {
    const count = Math.min(BATCH, total - done);
    for (let k = 0; k < count; k++) {
      const shape = k % sets === 0 ? nextShape() : (shapes[k - 1] as Shape);
      shapes[k] = shape;
      generator.fill(shape, before.cases[k] as Case);
    }
    const bytes = before.bytes.subarray(0, (count * before.bytes.length) / BATCH);
    const answers = new Batch(count, silicon.run(bytes).buffer as ArrayBuffer);
    engine.bytes.set(bytes);
    for (let k = 0; k < count; k++) {
      const { row, decoded } = shapes[k] as Shape;
      const [start, ours, theirs] = [before, engine, answers].map(({ cases }) => cases[k] as Case);
      if (start === undefined || ours === undefined || theirs === undefined) break;
      try {
        cpu.run(ours);
      } catch (error) {
        console.log(`\n${describeRow(row)}: the engine failed\n  --case '${formatCase(start)}'`);
        throw error;
      }
      if (decoded.row === row) casesOf.set(row, (casesOf.get(row) ?? 0) + 1);
      exceptions.set(theirs.vector | 0, (exceptions.get(theirs.vector | 0) ?? 0) + 1);
      const found = differences(start, ours, theirs, decoded, (name) =>
        allowed.set(name, (allowed.get(name) ?? 0) + 1),
      );
      if (found.length === 0) continue;
      differences_++;
      const known = differing.get(row) ?? 0;
      differing.set(row, known + 1);
      if (known < SHOWN) report(row, start);
    }
    done += count;
    progress(done);
  }

  function progress(done: number): void {
    if (!process.stdout.isTTY) return;
    const rate = (done / (performance.now() - started)) * 1000;
    process.stdout.write(
      `\r${done} of ${total}, ${differences_} differences, ${rate.toFixed(0)} cases/s `,
    );
  }

  function report(row: Row, start: Case): void {
    const least = shrink(start, cpu, silicon);
    const ours = new Case();
    ours.copy(least);
    cpu.run(ours);
    const [theirs] = silicon.answer([least]);
    const found = differences(least, ours, theirs as Case, decodeCase(least));
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    console.log(`${describeRow(row)}: ${found.map(({ text }) => text).join("; ")}`);
    console.log(`  npm run fuzz:cpu -- --case '${formatCase(least)}'`);
  }

  if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `\n${total} cases in ${seconds.toFixed(1)} s (${(total / seconds).toFixed(0)}/s), ${differences_} differences`,
  );
  const by = (map: Map<number, number>): string =>
    [...map]
      .sort(([a], [b]) => a - b)
      .map(([vector, n]) => `${vector === -1 ? "none" : vector === -2 ? "endless" : vector}: ${n}`)
      .join(", ");
  console.log(`exceptions by vector: ${by(exceptions)}`);
  console.log(
    `rows run: ${casesOf.size} of ${rows.length} that can run in user mode (${((100 * casesOf.size) / rows.length).toFixed(1)} %)`,
  );
  const missed = rows.filter((row) => !casesOf.has(row));
  for (const row of missed.slice(0, 20)) console.log(`  not met: ${describeRow(row)}`);
  const others = chosen.filter((row) => whyNotRun(row) !== undefined);
  for (const row of others) {
    const why = whyNotRun(row);
    console.log(`  not run: ${describeRow(row)}: ${why?.reason}; see ${why?.coveredBy}`);
  }
  for (const row of rows) {
    const test = whereAllowed(row);
    if (test !== undefined) console.log(`  only refused: ${describeRow(row)}; see ${test}`);
  }
  for (const { name, why } of ALLOWANCE_REASONS) {
    const times = allowed.get(name);
    if (times !== undefined) console.log(`  allowed ${times} times: ${name}: ${why}`);
  }
  if (differing.size > 0) {
    console.log("rows that differ:");
    for (const [row, n] of [...differing].sort(([, a], [, b]) => b - a))
      console.log(`  ${n} of ${casesOf.get(row)}: ${describeRow(row)}`);
  }
  return differences_ > 0 ? 1 : 0;
}

function shuffle<T>(list: T[], random: Random): void {
  for (let k = list.length - 1; k > 0; k--) {
    const other = random.below(k + 1);
    [list[k], list[other]] = [list[other] as T, list[k] as T];
  }
}

/**
 * Public test suites against the engine: `npm run suites [-- NAME ...] [--only REGEX] [--all]`.
 * Each is run if the environment variable that names its folder is set, and reported as skipped
 * if not. Exit status 1 if a case failed or none was chosen.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { commandLine, expression, wrongUsage } from "./command-line.ts";
import { FLAT_SUITE } from "./suites/flat.ts";
import { KVM_UNIT_TESTS } from "./suites/kvm-unit-tests.ts";
import { SINGLE_STEP_SUITE } from "./suites/single-step.ts";
import type { Suite } from "./suites/suite.ts";
import { Tally } from "./suites/tally.ts";

const SUITES: readonly Suite[] = [FLAT_SUITE, KVM_UNIT_TESTS, SINGLE_STEP_SUITE];

const { positionals, values } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    /** Print every failure, not only the first ones of a group. */
    all: { type: "boolean", default: false },
  },
});

function whyNot({ variable, folder, needs }: Suite): string | undefined {
  const path = process.env[variable];
  if (path === undefined) return `set ${variable} to ${folder}`;
  if (!existsSync(path)) return `${variable}=${path}: there is no such folder`;
  if (needs !== undefined && spawnSync(needs, ["--version"]).error !== undefined)
    return `needs ${needs}`;
  return undefined;
}

const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0)
  wrongUsage(
    import.meta.filename,
    `${unknown.join(", ")}? There are ${SUITES.map((s) => s.name).join(", ")}`,
  );
const only = expression(import.meta.filename, "--only", values.only);
/** Whether each suite that was run had cases. */
const found: boolean[] = [];
for (const suite of SUITES) {
  if (positionals.length > 0 && !positionals.includes(suite.name)) continue;
  const reason = whyNot(suite);
  if (reason !== undefined) {
    console.log(`${suite.name}: skipped, ${reason}`);
    continue;
  }
  const tally = new Tally();
  const folder = process.env[suite.variable] as string;
  for await (const result of suite.run(folder, only)) tally.add(result);
  found.push(tally.cases > 0);
  if (tally.cases === 0) {
    const matching = values.only === "" ? "" : ` that match ${only}`;
    console.log(`${suite.name}: nothing matched: no cases${matching} in ${folder}`);
    // what --only chooses may well be in one suite alone
    if (values.only === "" || positionals.includes(suite.name)) process.exitCode = 1;
    continue;
  }
  console.log(tally.text(suite.name, values.all).join("\n"));
  if (suite.report !== undefined) console.log(suite.report().join("\n"));
  if (tally.failed > 0) process.exitCode = 1;
}
if (found.length > 0 && !found.includes(true)) process.exitCode = 1;

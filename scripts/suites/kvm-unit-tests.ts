/**
 * kvm-unit-tests for x86: kernels with a multiboot header that report by lines on COM1 and end
 * through the debug exit port. The folder holds built `*.flat` files and `unittests.cfg`, which says
 * how each test is run. QEMU's TCG, if it is installed, runs the same files for comparison.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BareMachine } from "../../src/session/bare.ts";
import { type CaseResult, failed, notApplicable, PASSED, type Suite } from "./suite.ts";

/** Of one test, seconds of wall-clock time; unittests.cfg may allow more. */
const PATIENCE = 120;

/** Groups of tests for what neither this CPU nor TCG has, or that need nothing but a long time. */
const OTHER_GROUPS = /^(vmx|svm|nested_exception|hyperv|pmu|vmexit|nodefault)$/;

/**
 * The suite's own way to say that there is no hypervisor below: without it this file calls KVM, and
 * has nothing to catch the #UD of bare hardware.
 */
const BARE_METAL = { file: "apic.flat", environment: "TEST_DEVICE=0\n" };

const scores: { name: string; here: Score; qemu: Score | undefined }[] = [];

export const KVM_UNIT_TESTS: Suite = {
  name: "kvm-unit-tests",
  variable: "GAOLER_KVM_UNIT_TESTS",
  folder: "a folder with *.flat files of kvm-unit-tests and their unittests.cfg",
  run,
  report,
};

/** A section of unittests.cfg. */
interface Test {
  readonly name: string;
  readonly file: string;
  readonly cpus: number;
  readonly arguments: string;
  readonly qemu: readonly string[];
  readonly seconds: number;
  /** Why it is not run, if it is not. */
  readonly why: string | undefined;
}

interface Score {
  /** The lines of its report, without the verdict, by verdict. */
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly ended: string;
}

async function* run(folder: string, only: RegExp): AsyncGenerator<CaseResult> {
  const configuration = join(folder, "unittests.cfg");
  const hasQemu = spawnSync("qemu-system-x86_64", ["--version"]).error === undefined;
  const done = new Set<string>();
  for (const test of readTests(readFileSync(configuration, "utf8"), is64(folder))) {
    const path = join(folder, test.file);
    const how = [test.file, test.cpus, test.arguments, ...test.qemu].join(" ");
    if (!only.test(test.name) || !existsSync(path)) continue;
    if (test.why !== undefined) {
      yield { group: test.name, name: "all of it", outcome: notApplicable(test.why) };
      continue;
    }
    if (done.has(how)) continue;
    done.add(how);
    const here = await runHere(path, test);
    const qemu = hasQemu ? runQemu(path, test) : undefined;
    scores.push({ name: test.name, here, qemu });
    yield* results(test.name, here, qemu);
  }
}

function* results(group: string, here: Score, qemu: Score | undefined): Generator<CaseResult> {
  for (const name of here.passed) yield { group, name, outcome: PASSED };
  for (const name of here.skipped)
    yield { group, name, outcome: notApplicable("the test finds that it does not apply") };
  for (const name of here.failed) {
    const there = qemu === undefined ? "" : qemu.passed.includes(name) ? ", QEMU passes" : "";
    yield { group, name, outcome: failed(`reported as failed${there}`) };
  }
  if (!/^exit (1|77)$/.test(here.ended) && here.failed.length === 0)
    yield { group, name: "the end of it", outcome: failed(here.ended) };
}

/** A table of both scores: the name, and of each passed, failed, skipped and the end. */
function report(): string[] {
  const table = [
    ["test", "passed", "failed", "skipped", "ended", "QEMU: passed", "failed", "skipped", "ended"],
    ...scores.map(({ name, here, qemu }) => [
      name,
      ...columns(here),
      ...(qemu === undefined ? ["-", "-", "-", "not installed"] : columns(qemu)),
    ]),
  ];
  const widths = table[0].map((_, k) => Math.max(...table.map((row) => row[k].length)));
  return table.map((row) =>
    row
      .map((cell, k) => (k % 4 === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k])))
      .join("  ")
      .trimEnd(),
  );
}

const columns = ({ passed, failed, skipped, ended }: Score): string[] => [
  ...[passed, failed, skipped].map(({ length }) => String(length)),
  ended,
];

function readTests(text: string, is64Bit: boolean): Test[] {
  return text
    .split(/^\[/m)
    .slice(1)
    .flatMap((section) => {
      const name = section.slice(0, section.indexOf("]"));
      const value = (key: string): string =>
        (new RegExp(`^${key}\\s*=\\s*(.*)$`, "m").exec(section)?.[1] ?? "").trim();
      const arch = value("arch");
      if (arch !== "" && (arch === "x86_64") !== is64Bit) return [];
      const other = value("groups")
        .split(/\s+/)
        .find((group) => OTHER_GROUPS.test(group));
      const qemu = value("qemu_params");
      const why =
        value("accel") === "kvm" || /-enable-kvm|-cpu host/.test(qemu)
          ? "for KVM only"
          : other && `of the group ${other}`;
      return [
        {
          name,
          file: value("file"),
          cpus: Number(value("smp") || 1),
          arguments: value("test_args").replace(/^(['"])(.*)\1$/, "$2"),
          qemu: qemu.split(/\s+/).filter((word) => word !== ""),
          seconds: Math.max(Number(value("timeout") || 0), PATIENCE),
          why,
        },
      ];
    });
}

/** The `.flat` files are 32-bit ELF files whatever is in them; the `.elf` files beside them tell. */
function is64(folder: string): boolean {
  const path = join(folder, "setjmp.elf");
  return !existsSync(path) || readFileSync(path)[4] === 2;
}

async function runHere(path: string, test: Test): Promise<Score> {
  const output: number[] = [];
  const memory = test.qemu[test.qemu.indexOf("-m") + 1];
  const megabytes = test.qemu.includes("-m") ? Number.parseInt(memory, 10) : 128;
  const machine = new BareMachine(megabytes << 20, (byte) => output.push(byte), [], test.cpus);
  const environment = { name: "env", bytes: new TextEncoder().encode(BARE_METAL.environment) };
  const modules = test.file === BARE_METAL.file ? [environment] : [];
  machine.loadMultiboot(readFileSync(path), `${test.file} ${test.arguments}`.trim(), modules);
  const { ended, exitStatus } = await machine.run({}, AbortSignal.timeout(test.seconds * 1000));
  const text = Buffer.from(output).toString("latin1");
  if (ended === "interrupted") return score(text, `still runs after ${test.seconds} s`);
  return score(text, ended === "exit" ? `exit ${exitStatus & 0xff}` : ended);
}

function runQemu(path: string, test: Test): Score {
  const folder = mkdtempSync(join(tmpdir(), "gaoler-kvm-unit-tests-"));
  try {
    const environment = join(folder, "env");
    writeFileSync(environment, BARE_METAL.environment);
    const modules = test.file === BARE_METAL.file ? ["-initrd", environment] : [];
    return runQemuWith(path, test, modules);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runQemuWith(path: string, test: Test, modules: readonly string[]): Score {
  const devices = ["pc-testdev", "isa-debug-exit,iobase=0xf4,iosize=0x4"];
  const { status, stdout, error } = spawnSync(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-nodefaults", "-no-reboot", "-vnc", "none", "-serial", "stdio"],
      ...devices.flatMap((device) => ["-device", device]),
      ...["-kernel", path, "-smp", String(test.cpus), ...test.qemu],
      ...(test.arguments === "" ? [] : ["-append", test.arguments]),
      ...modules,
    ],
    { timeout: test.seconds * 1000, maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "ignore"] },
  );
  const text = stdout.toString("latin1");
  // it takes the signal at the end of the time as a wish to shut down
  if (error !== undefined) return score(text, `still runs after ${test.seconds} s`);
  return score(text, status === 0 ? "reset" : `exit ${status}`);
}

function score(text: string, ended: string): Score {
  const lines = (verdict: string) =>
    [...text.matchAll(new RegExp(`^${verdict}:? (.*?)\\r?$`, "gm"))].map(([, line]) => line);
  return { passed: lines("PASS"), failed: lines("FAIL"), skipped: lines("SKIP"), ended };
}

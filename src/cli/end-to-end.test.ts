import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { demoCell, encodeConfig, q35 } from "../config/index.ts";
import type { SessionReport } from "../session/report.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "gaoler-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);

function gaoler(...words: string[]) {
  const main = join(root, "src/cli/main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: root,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const inmate = (name: string, suffix: string) => `inmates/${name}/${name}.${suffix}`;
writeFileSync(file("q35.cell"), encodeConfig(q35()));
const cell = (name: string) => [
  ...["--cell", inmate(name, "cell")],
  ...["--load", inmate(name, "bin")],
];
const run = (...words: string[]) => gaoler("run", "--system", file("q35.cell"), ...words);

describe("gaoler", () => {
  it("demo apic-demo: ten timer lines, a refused and an accepted request to shut down", () => {
    const { status, stdout } = gaoler("demo", "apic-demo");
    expect(status).toBe(0);
    expect(stdout.match(/^\[apic-demo\] Timer fired, jitter/gm)?.length).toBeGreaterThanOrEqual(10);
    expect(stdout).toMatch(/Rejecting first shutdown request.*EPERM.*Stopped APIC demo/s);
    expect(stdout).not.toContain("\x1b");
  });

  it.each([
    ["tiny-demo", /PM Timer/, 0],
    ["smp-demo", /Hello from CPU 3!/, 0],
    ["32-bit-demo", /This runs in 32-bit mode/, 0],
    ["hello-ivshmem", /^IRQ Received\nCell's message : "Hello From IVSHMEM "$/m, 0],
    ["ethernet", /^\[ping\] Answer from 52:54:00:12:34:56 to packet 5 after \d+ ns$/m, 0],
    ["fault-demo", /Parking CPU 2 \(Cell: "fault-demo"\).*^ {2}at {2}pxor {3}xmm/ms, 1],
  ])("demo %s", (name, line, expected) => {
    const { status, stdout } = gaoler("demo", name);
    expect(stdout).toMatch(line);
    expect(status).toBe(expected);
  });

  it("run --record, then --replay: the same report without the script", () => {
    const scenario = "examples/hello-ivshmem/scenario.ts";
    const [recording, first, again] = [file("hello.rec"), file("first.json"), file("again.json")];
    expect(gaoler("run", scenario, "--record", recording, "--json", first).status).toBe(0);
    const { status, stdout } = gaoler("run", scenario, "--replay", recording, "--json", again);
    expect(status).toBe(0);
    expect(stdout).toContain('Cell\'s message : "Hello From IVSHMEM "');
    expect(readFileSync(again, "utf8")).toBe(readFileSync(first, "utf8"));
    expect(gaoler("run", "examples/two-cells.ts", "--replay", recording)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^gaoler: replay at 0 ns: this run differs from the recorded/),
    });
  });

  it("run: two runs give the same report, to the instruction and the byte of memory", () => {
    const words = [...cell("tiny-demo"), ...cell("apic-demo"), "--for", "300ms", "--json", "-"];
    const [first, second] = [run(...words), run(...words)];
    expect(first.status).toBe(0);
    expect(second.stdout).toBe(first.stdout);
    const report = JSON.parse(first.stdout) as SessionReport & { memoryHash: string };
    expect(report).toMatchObject({ ended: "time", virtualNs: 300_000_000 });
    expect(report.memoryHash).toMatch(/^[0-9a-f]{64}$/);
    expect(report.cells.map(({ name }) => name)).toEqual(["tiny-demo", "apic-demo"]);
    expect(report.cells[1].statistics.vmexits_total).toBeGreaterThan(0);
    // the console went to the other stream
    expect(first.stderr).toContain("[apic-demo] Timer fired");
  });

  it("run --until: 0 when the line came, 1 when it never can", () => {
    expect(run(...cell("tiny-demo"), "--until", "Hello").status).toBe(0);
    expect(run(...cell("smp-demo"), "--until", "no such line").status).toBe(1);
  });

  it("run SCENARIO.ts", () => {
    const { status, stdout } = gaoler("run", "examples/own-cell.ts");
    expect(status).toBe(0);
    expect(stdout).toContain("[mine] Hello");
  });

  it("run SCENARIO.ts: a cell that locks the configuration keeps another from being destroyed", () => {
    const { status, stdout } = gaoler("run", "examples/two-cells.ts");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /# cell destroy tiny-demo: .*EPERM.*\[apic-demo\] Stopped.*Closing cell "tiny-demo"/s,
    );
  });

  it("run SCENARIO.ts below a package.json of the other kind", () => {
    mkdirSync(file("other/inmates/tiny-demo"), { recursive: true });
    mkdirSync(file("other/scenarios"));
    writeFileSync(file("other/package.json"), '{ "type": "commonjs" }');
    copyFileSync(
      join(root, inmate("tiny-demo", "bin")),
      file(`other/${inmate("tiny-demo", "bin")}`),
    );
    copyFileSync(join(root, "examples/own-cell.ts"), file("other/scenarios/own-cell.ts"));
    expect(gaoler("run", file("other/scenarios/own-cell.ts"))).toMatchObject({
      status: 0,
      stderr: "",
    });
  });

  it("a guest that prints for ever does not fill the host's memory", () => {
    // l: mov eax, 99; vmcall; jmp l
    writeFileSync(
      file("flood.bin"),
      Uint8Array.of(0x66, 0xb8, 99, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xeb, 0xf5),
    );
    const words = ["--cell", inmate("tiny-demo", "cell"), "--load", file("flood.bin")];
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        ...["--max-old-space-size=80", join(root, "src/cli/main.ts")],
        ...["run", "--system", file("q35.cell"), ...words, "--for", "1500us"],
      ],
      { cwd: root, encoding: "latin1", maxBuffer: 2 ** 26 },
    );
    expect(stdout.match(/Unknown hypercall 99/g)?.length).toBe(500_000);
    expect(status).toBe(0);
  });

  it("run SCENARIO.ts: 1 when its script waits for a line that never can come", () => {
    const scenario = `import { defineScenario, demoCell, q35 } from "gaoler";
      export default defineScenario({
        system: q35(),
        cells: [{ config: demoCell("tiny-demo"), load: [{ image: Uint8Array.of(0xf4) }] }],
        script: (session) => session.waitForLine(/no such line/),
      });`;
    writeFileSync(file("waits.ts"), scenario);
    const { status, stdout } = gaoler("run", file("waits.ts"));
    expect(stdout).toContain("no line matched /no such line/");
    expect(status).toBe(1);
  });

  it("config show --architecture, for files that do not say theirs", () => {
    const arm = { ...demoCell("tiny-demo", 12), architecture: "arm64" } as const;
    writeFileSync(file("arm.cell"), encodeConfig(arm));
    const show = (name: string) => gaoler("config", "show", file(name), "--architecture", "arm64");
    expect(show("arm.cell").stdout).toContain("revision 12 (v0.12), arm64");
    expect(show("q35.cell")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("says itself that it is one of x86"),
    });
  });

  it("exec prints registers, also as JSON", () => {
    writeFileSync(file("code.bin"), Uint8Array.of(0x48, 0x01, 0xf7, 0xf4)); // add rdi, rsi; hlt
    const set = ["--set", "rdi=40", "--set", "esi=2"];
    const { status, stdout } = gaoler("exec", file("code.bin"), ...set, "--json", "-");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ended: "halt",
      registers: { general: { rdi: "0x000000000000002a" } },
    });
    expect(gaoler("exec", file("code.bin"), ...set).stdout).toMatch(/RDI {2}000000000000002a/);
    writeFileSync(file("ud2.bin"), Uint8Array.of(0x0f, 0x0b));
    expect(gaoler("exec", file("ud2.bin")).status).toBe(1);
  });

  it.each<[string, string[], RegExp]>([
    ["a missing file", ["run", "--system", "x.cell", "--cell", "y.cell"], /cannot read x.cell/],
    ["a file of another kind", ["config", "show", "package.json"], /package.json.*signature/],
    ["KVM", ["demo", "--engine", "kvm"], /KVM engine is not available/],
    ["an unknown demo", ["demo", "nothing"], /there is no demo "nothing": .*apic-demo/],
    ["a scenario that is none", ["run", "scripts/rooms.ts"], /is not a scenario/],
    ["no cell", ["run", "--system", "x.cell"], /at least one --cell/],
    ["an unknown register", ["exec", "LICENSE", "--set", "rzx=1"], /no register "rzx"/],
    ["a mode that is none", ["exec", "LICENSE", "--mode", "8"], /must be 16, 32 or 64/],
  ])("2 for %s", (_what, words, message) => {
    const { status, stderr } = gaoler(...words);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

/** The power plant end to end: three cells and root, from the command line. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "gaoler-plant-demo-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);

function demo(...words: string[]) {
  const main = join(root, "src/cli/main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "demo", ...words], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  return { status, stdout, stderr };
}

type Row = Readonly<Record<string, number>>;

function readCsv(name: string): Row[] {
  const [head, ...lines] = readFileSync(file(name), "utf8").trimEnd().split("\n");
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(
      names.map((each, index) => [each, cells[index] === "" ? Number.NaN : Number(cells[index])]),
    );
  });
}

describe("demo power-plant", () => {
  let whole: ReturnType<typeof demo>;
  let rows: Row[];
  const at = (timeS: number) => rows[Math.round(timeS * 1000)];

  beforeAll(() => {
    whole = demo("--csv", file("first.csv"), "--json", file("first.json"));
    rows = readCsv("first.csv");
  });

  it("is what runs without a name, shows each step as plain text, and ends well", () => {
    const { status, stdout, stderr } = whole;
    expect(stderr).toBe("");
    expect(status).toBe(0);
    for (const words of [
      /^== 0\.5 s: start$/m,
      /^\[turbine\] Running up from 1000 r\/min$/m,
      /^\[generator\] In step: phase -?\d\.\d+ degrees, slip -?0\.0\d+ Hz\. Closing the breaker$/m,
      /^\[plant\] Station load: 55%$/m,
      /^\[turbine\] TRIP by the operator at 3\d\d\d r\/min: stop valve shuts$/m,
      /^\[generator\] Breaker is open$/m,
      /^the scenario is over after 22\.\d+ s of virtual time/m,
    ])
      expect(stdout).toMatch(words);
    expect(stdout).not.toContain("\x1b");
  });

  it("starts, synchronises, takes the load step and trips", () => {
    expect(rows).toHaveLength(22_501);
    expect(at(0.4).speed * 3600).toBeCloseTo(1000, -1);
    expect(at(12).speed).toBeCloseTo(1, 2);
    const closing = rows.findIndex(({ breaker }) => breaker === 1);
    expect(closing).toBeGreaterThan(9000);
    expect(closing).toBeLessThan(16_000);
    const before = rows[closing - 1];
    expect(Math.abs(before.phase_rad)).toBeLessThan((10 * Math.PI) / 180);
    expect(Math.abs(before.speed - before.bus_frequency) * 60).toBeLessThan(0.067);
    const step = rows.slice(17_000, 20_000);
    expect(Math.min(...step.map(({ speed }) => speed))).toBeGreaterThan(0.97);
    expect(at(20).electrical_power).toBeGreaterThan(at(16.9).electrical_power + 0.08);
    expect(at(22.5)).toMatchObject({ breaker: 0, tripped: 1, stop_valve: 0, field_voltage: 0 });
  });

  it("the phases' voltages are sines of the rotor's angle, a third of a turn apart", () => {
    for (const { phase_a, phase_b, phase_c, voltage } of rows.slice(14_500, 20_000)) {
      expect(Math.abs(phase_a + phase_b + phase_c)).toBeLessThan(1e-7);
      const amplitude = Math.sqrt((phase_a ** 2 + phase_b ** 2 + phase_c ** 2) / 1.5);
      expect(Math.abs(amplitude - voltage)).toBeLessThan(0.01);
    }
  });

  it("two runs give the same files, byte by byte, and the same text", () => {
    const again = demo("power-plant", "--csv", file("second.csv"), "--json", file("second.json"));
    expect(again.stdout).toBe(whole.stdout);
    for (const type of ["csv", "json"])
      expect(readFileSync(file(`second.${type}`)).equals(readFileSync(file(`first.${type}`)))).toBe(
        true,
      );
    const { signals, cells } = JSON.parse(readFileSync(file("first.json"), "utf8"));
    expect(signals.speed).toHaveLength(rows.length);
    expect(signals.speed[12_000]).toBe(at(12).speed);
    expect(cells.map(({ name }: { name: string }) => name)).toEqual([
      "plant",
      "turbine",
      "generator",
    ]);
  });

  it("--fault sse: the generator's cell ends in a triple fault, the others run on", () => {
    const { status, stdout } = demo("power-plant", "--fault", "sse", "--csv", file("fault.csv"));
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /FATAL: Unhandled VM-Exit, reason 2.*Parking CPU 3 \(Cell: "generator"\)/s,
    );
    expect(stdout).toMatch(/generator: failed; CPU 3 failed/);
    expect(stdout).toMatch(/plant: running; CPU 1 halted\nturbine: running; CPU 2 halted/);
    rows = readCsv("fault.csv");
    expect(at(12).phase_a).toBeNaN();
    expect(at(20).speed).toBeCloseTo(1, 3);
    expect(at(20).breaker).toBe(0);
    expect(at(22).tripped).toBe(1);
  });

  it("refuses a file that it could not write before anything runs", () => {
    const { status, stdout, stderr } = demo("power-plant", "--csv", file("none/x.csv"));
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/cannot write .*none\/x\.csv/);
  });

  it("refuses a fault it does not know, and its options elsewhere", () => {
    expect(demo("power-plant", "--fault", "x")).toMatchObject({ status: 2 });
    const { status, stderr } = demo("tiny-demo", "--csv", "x");
    expect(status).toBe(2);
    expect(stderr).toMatch(/--csv is for the demo "power-plant"/);
  });
});

/** The plant's physics and controllers as an ordinary program on the host, against what physics demands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildNative, gccIsMissing, type NativeProgram } from "./testing/native.ts";

type Row = Readonly<Record<string, number>>;
type Order = readonly [timeS: number, member: string, value: number];

const START: readonly Order[] = [
  [0.5, "run", 1],
  [0.5, "station_load", 0.4],
  [8.5, "synchronise", 1],
  [8.5, "load_reference", 0.4],
];

describe.skipIf(gccIsMissing)("plant model (needs gcc)", () => {
  let accuracy: NativeProgram;
  let closedLoop: NativeProgram;

  beforeAll(() => {
    accuracy = buildNative(["plantmath.c", "testing/accuracy.c"]);
    const parts = ["physics", "governor", "excitation", "synchroniser", "generator", "plantmath"];
    closedLoop = buildNative([...parts.map((part) => `${part}.c`), "testing/closed_loop.c"]);
  });
  afterAll(() => {
    accuracy.remove();
    closedLoop.remove();
  });

  function simulate(seconds: number, orders: readonly Order[]): Row[] {
    const [head, ...lines] = closedLoop
      .run(seconds, ...orders.flat())
      .trim()
      .split("\n");
    const names = head.split(",");
    return lines.map((line) => {
      const values = line.split(",").map(Number);
      return Object.fromEntries(names.map((name, index) => [name, values[index]]));
    });
  }
  const at = (rows: Row[], timeS: number) => rows[Math.round(timeS * 100) - 1];
  const after = (rows: Row[], timeS: number) => rows.slice(Math.round(timeS * 100));
  const largest = (rows: Row[], name: string) => Math.max(...rows.map((row) => row[name]));
  const smallest = (rows: Row[], name: string) => Math.min(...rows.map((row) => row[name]));
  const closingTime = (rows: Row[]) =>
    rows.find(({ breaker }) => breaker === 1)?.time ?? Number.NaN;

  it("sine and cosine are within 1 ulp, the arc tangent within 1e-15", () => {
    const [sine, cosine, angle, root] = accuracy.run().split(" ").map(Number);
    expect(sine).toBeLessThan(1);
    expect(cosine).toBeLessThan(1);
    expect(angle).toBeLessThan(1e-15);
    expect(root).toBeLessThanOrEqual(0.5);
  });

  it("soaks at 1000 r/min until it is told to run", () => {
    const rows = simulate(3, []);
    expect(Math.abs(at(rows, 3).speed * 3600 - 1000)).toBeLessThan(2);
    expect(largest(rows, "voltage")).toBe(0);
  });

  it("runs up to rated speed without overshoot above 2 %, valve within its rates", () => {
    const rows = simulate(20, START.slice(0, 2));
    expect(largest(rows, "speed")).toBeLessThan(1.02);
    expect(at(rows, 20).speed).toBeCloseTo(1, 3);
    expect(at(rows, 20).voltage).toBeCloseTo(0.95, 1);
    for (const [index, row] of rows.entries()) {
      const step = row.valve - (rows[index - 1]?.valve ?? 0);
      expect(step).toBeLessThan(0.2 * 0.01 + 1e-6);
      expect(step).toBeGreaterThan(-1.0 * 0.01 - 1e-6);
    }
  });

  it("closes its breaker in step, within limits, and without a blow", () => {
    const rows = simulate(20, START);
    const closing = closingTime(rows);
    expect(closing).toBeGreaterThan(9);
    expect(closing).toBeLessThan(16);
    const before = at(rows, closing - 0.02);
    expect(before.in_step).toBe(1);
    expect(Math.abs(before.phase)).toBeLessThan((10 * Math.PI) / 180);
    expect(Math.abs(before.speed - 1) * 60).toBeLessThan(0.067);
    // rated current is 1; what synchronising out of phase would give is several times that
    expect(largest(rows.slice(0, Math.round(closing * 100) + 50), "current")).toBeLessThan(0.3);
  });

  it("delivers the reference load to the grid at rated speed", () => {
    const end = at(simulate(40, START), 40);
    expect(end.electrical).toBeCloseTo(0.4, 2);
    expect(end.speed).toBeCloseTo(1, 4);
    expect(end.voltage).toBeCloseTo(1, 2);
  });

  it("never closes while the voltage is wrong", () => {
    // the exciter comes on at 95 % speed only
    const rows = simulate(12, [[0.1, "synchronise", 1]]);
    expect(largest(rows, "breaker")).toBe(0);
  });

  it("on its own, frequency settles on the droop line after a load step", () => {
    const rows = simulate(60, [...START, [20, "grid_tie", 0], [21, "station_load", 0.55]]);
    const end = at(rows, 60);
    expect(end.electrical).toBeCloseTo(0.55 * end.voltage ** 2, 3);
    expect(end.speed).toBeCloseTo(1 - 0.05 * (end.electrical - 0.4), 4);
    expect(smallest(after(rows, 21), "speed")).toBeGreaterThan(0.95);
    expect(largest(after(rows, 21), "speed")).toBeLessThan(1.02);
    expect(smallest(after(rows, 21), "voltage")).toBeGreaterThan(0.9);
  });

  it("governs a rejected part load, and trips on the overspeed of a full one", () => {
    const rejection = (load: number) =>
      simulate(60, [...START, [20, "load_reference", load], [50, "open", 1]]);
    const part = rejection(0.5);
    expect(largest(after(part, 50), "speed")).toBeGreaterThan(1.02);
    expect(largest(after(part, 50), "speed")).toBeLessThan(1.1);
    expect(at(part, 60).tripped).toBe(0);
    const full = rejection(1);
    expect(at(full, 49).electrical).toBeGreaterThan(0.95);
    expect(largest(full, "speed")).toBeGreaterThan(1.1);
    // the stop valve catches it well below the 120 % that a rotor is tested with
    expect(largest(full, "speed")).toBeLessThan(1.15);
    expect(at(full, 60)).toMatchObject({ tripped: 1, breaker: 0 });
    expect(at(full, 60).valve).toBeLessThan(1e-6);
  });

  it("stops at the operator's trip: breaker open, steam shut, field dying away", () => {
    const end = at(simulate(30, [...START, [20, "trip", 1]]), 30);
    expect(end).toMatchObject({ breaker: 0, tripped: 1, field: 0 });
    expect(end.valve).toBeLessThan(1e-6);
    expect(end.speed).toBeLessThan(1);
    expect(end.voltage).toBeLessThan(at(simulate(20, START), 20).voltage * Math.exp(-9 / 8));
  });

  it("energy that comes in and does not go out is in the rotor", () => {
    // on its own: tied to the grid, the damper windings move energy too
    const orders: Order[] = [...START, [20, "grid_tie", 0], [21, "station_load", 0.55]];
    const rows = simulate(40, orders);
    const change = (name: string) => at(rows, 40)[name] - at(rows, 20.1)[name];
    expect(change("kinetic")).toBeCloseTo(change("balance") - change("losses"), 2);
    const runUp = at(rows, 8);
    expect(runUp.kinetic / runUp.balance).toBeCloseTo(1, 3);
  });

  it("three phases: balanced, and as large as the voltage says", () => {
    const rows = simulate(20, START);
    for (const { a, b, c, voltage } of after(rows, 15)) {
      expect(Math.abs(a + b + c)).toBeLessThan(1e-8);
      // of balanced phases with amplitude V the squares add up to 3/2 V^2
      expect(Math.sqrt((a * a + b * b + c * c) / 1.5)).toBeCloseTo(voltage, 1);
    }
  });
});

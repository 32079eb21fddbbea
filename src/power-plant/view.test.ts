import { describe, expect, it } from "vitest";
import { PHASES, phaseAt } from "./phases.ts";
import type { Paint } from "./plot.ts";
import type { Sample } from "./signals.ts";
import { TABLE_HEAD, tableRow } from "./table.ts";
import { type Screen, screenLines } from "./view.ts";

const plain: Paint = (_tone, text) => text;

/** A machine at rated speed with 60 Hz at its terminals; its generator says nothing before 1 s. */
const sampleAt = (timeS: number): Sample => ({
  timeS,
  plant: {
    time_s: timeS,
    speed: 1,
    valve: 0.41,
    mechanical_power: 0.4,
    electrical_power: 0.38,
    reactive_power: 0.1,
    voltage: 1,
    voltage_d: 0,
    voltage_q: 1,
    current: 0.4,
    rotor_angle_rad: 0,
    bus_voltage: 1,
    bus_frequency: 1,
    phase_rad: 0,
    breaker: 1,
  },
  turbine: { valve_demand: 0.41, stop_valve: 1, speed_reference: 1, tripped: 0 },
  generator:
    timeS < 1
      ? undefined
      : {
          field_voltage: 1.5,
          breaker_close: 1,
          speed_bias: 0,
          in_step: 1,
          phase_a: Math.sin(2 * Math.PI * 60 * timeS),
          phase_b: Math.sin(2 * Math.PI * (60 * timeS - 1 / 3)),
          phase_c: Math.sin(2 * Math.PI * (60 * timeS + 1 / 3)),
        },
});

const screen: Screen = {
  samples: Array.from({ length: 2001 }, (_, ms) => sampleAt(ms / 1000)),
  phase: PHASES[1],
  console: [
    { cell: undefined, text: "== 0.5 s: start" },
    { cell: "turbine", text: "Running up from 1000 r/min" },
    { cell: "plant", text: "\x1b[2Jtorn" },
  ],
  failed: [],
};

describe("screen", () => {
  it.each([
    [200, 60],
    [100, 40],
    [80, 24],
    [72, 20],
    [71, 24],
    [40, 15],
    [24, 8],
  ])("%d by %d: fits exactly", (width, height) => {
    const lines = screenLines(screen, width, height, plain);
    expect(lines).toHaveLength(height);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines[0]).toMatch(/^Power plant {3}2\.00 s/);
  });

  it("shows every quantity, the consoles below, and no control characters", () => {
    const text = screenLines(screen, 100, 40, plain).join("\n");
    for (const words of [
      /Power plant .* start/,
      /breaker CLOSED/,
      /Speed +3600 r\/min/,
      /Power: steam, electrical +222 MW, 211 MW/,
      /Valve +41 %/,
      /Phases, last 50 ms +0\.0 kV|Phases, last 50 ms +-0\.0 kV/,
      /Frequency +60\.00 Hz/,
      /Voltage +24\.00 kV/,
      /\[turbine\] Running up from 1000 r\/min/,
    ])
      expect(text).toMatch(words);
    expect(text).not.toContain("\x1b");
  });

  it("plots stand side by side in straight columns", () => {
    const lines = screenLines(screen, 100, 40, plain);
    const axes = lines.filter((line) => /[│┤]/.test(line));
    expect(axes.length).toBeGreaterThan(12);
    for (const line of axes) {
      expect(line[6]).toMatch(/[│┤]/);
      expect(line[57]).toMatch(/[│┤]/);
    }
  });

  it("says what has failed, and that the signal is missing", () => {
    const samples = screen.samples.slice(0, 900);
    const text = screenLines({ ...screen, samples, failed: ["generator"] }, 80, 24, plain).join(
      "\n",
    );
    expect(text).toContain("generator FAILED");
    expect(text).toMatch(/Phases, last 50 ms +no signal/);
  });

  it("can be drawn before anything is known", () => {
    const empty: Screen = { samples: [], phase: undefined, console: [], failed: [] };
    expect(screenLines(empty, 80, 24, plain)).toHaveLength(24);
  });
});

describe("table", () => {
  it("rows stand under their heads", () => {
    const rows = [TABLE_HEAD[0], tableRow(sampleAt(0)), tableRow(sampleAt(12.5))];
    expect(new Set(rows.map((row) => row.length)).size).toBe(1);
    expect(TABLE_HEAD[0].indexOf("speed") + 5).toBe(TABLE_HEAD[1].indexOf("r/min") + 5);
    expect(tableRow(sampleAt(0)).split(/\s+/).filter(Boolean)).toEqual([
      "0.00",
      "3600.0",
      "60.00",
      "41.0",
      "222.0",
      "210.9",
      "24.00",
      "-",
      "-",
      "closed",
    ]);
  });

  it("has no negative zero", () => {
    expect(tableRow({ ...sampleAt(0), timeS: -0.001 })).toMatch(/^ {2}0\.00 /);
  });
});

describe("phases", () => {
  it("are in order, and found by time", () => {
    const times = PHASES.map(({ atS }) => atS);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(phaseAt(0.4)).toBe(PHASES[0]);
    expect(phaseAt(0.5)).toBe(PHASES[1]);
    expect(phaseAt(99)).toBe(PHASES.at(-1));
  });
});

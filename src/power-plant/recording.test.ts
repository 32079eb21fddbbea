import { describe, expect, it } from "vitest";
import { columns, csv } from "./recording.ts";
import type { Sample } from "./signals.ts";

const turbine = { valve_demand: 1 / 3, stop_valve: 1, speed_reference: 0.9, tripped: 0 };
const samples: Sample[] = [
  { timeS: 0, plant: undefined, turbine: undefined, generator: undefined },
  { timeS: 0.001, plant: undefined, turbine, generator: undefined },
];

describe("recording", () => {
  it("CSV has a column for each signal, empty where a controller is silent", () => {
    const [head, ...rows] = csv(samples).trimEnd().split("\n");
    const names = head.split(",");
    expect(names[0]).toBe("time_s");
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row.split(",")).toHaveLength(names.length);
    const cells = rows[1].split(",");
    expect(cells[names.indexOf("valve_demand")]).toBe("0.333333333");
    expect(cells[names.indexOf("speed")]).toBe("");
    expect(csv(samples).endsWith("\n")).toBe(true);
  });

  it("JSON columns hold the same", () => {
    const { time_s, valve_demand, phase_a } = columns(samples);
    expect(time_s).toEqual([0, 0.001]);
    expect(valve_demand).toEqual([null, 0.333333333]);
    expect(phase_a).toEqual([null, null]);
  });
});

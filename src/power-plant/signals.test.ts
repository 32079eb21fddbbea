import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { BUS_END, FORMATS, ORDERS_FORMAT, SIGNAL_NAMES, signalValues } from "./signals.ts";

const header = readFileSync(
  resolve(import.meta.dirname, "../../examples/power-plant/model/signals.h"),
  "utf8",
);

describe("signals", () => {
  it.each([ORDERS_FORMAT, ...Object.values(FORMATS)])(
    "$name has the members of the C struct",
    (format) => {
      const body = new RegExp(`struct ${format.name} \\{([^}]*)\\};`).exec(header)?.[1] ?? "";
      const members = [...body.matchAll(/^ *double (\w+);/gm)].map(([, name]) => name);
      expect(members.length).toBeGreaterThan(3);
      expect(Object.keys(format.offsets)).toEqual(members);
      expect(format.bytes).toBe(8 * members.length);
    },
  );

  it("ends have the numbers of the C enum", () => {
    for (const [name, number] of Object.entries(BUS_END))
      expect(header).toContain(`BUS_${name.toUpperCase()} = ${number},`);
  });

  it("each name has its value; those of a silent controller are missing", () => {
    const turbine = { valve_demand: 0.5, stop_valve: 1, speed_reference: 0.9, tripped: 0 };
    const values = signalValues({ timeS: 3, plant: undefined, turbine, generator: undefined });
    expect(values).toHaveLength(SIGNAL_NAMES.length);
    expect(new Set(SIGNAL_NAMES).size).toBe(SIGNAL_NAMES.length);
    const named = Object.fromEntries(SIGNAL_NAMES.map((name, index) => [name, values[index]]));
    expect(named).toMatchObject({ time_s: 3, valve_demand: 0.5, speed_reference: 0.9 });
    expect(named.speed).toBeUndefined();
    expect(named.phase_c).toBeUndefined();
  });
});

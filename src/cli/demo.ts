/** `gaoler demo`: the shipped inmates, each in its cell on the board "q35 with 4 CPUs and 1 GiB". */
import { fileURLToPath } from "node:url";
import { q35 } from "../config/boards/q35.ts";
import { type DemoName, demoCell } from "../config/demos/index.ts";
import type { Scenario } from "../session/scenario.ts";
import type { Session } from "../session/session.ts";
import { readBytes } from "./files.ts";
import { powerPlantDemo } from "./power-plant.ts";
import type { DemoOptions } from "./program.ts";
import { runScenario } from "./run.ts";
import { UsageError } from "./usage-error.ts";

interface Demo {
  readonly summary: string;
  /** What the person at the root cell does; without: runs until the cell has ended. */
  readonly script?: (session: Session) => Promise<void>;
}

const DEMOS: Partial<Record<DemoName, Demo>> = {
  "apic-demo": {
    summary: "jitter of the APIC timer, ten times a second; refuses the first request to shut down",
    script: async (session) => {
      await session.waitForLine(/Timer fired, jitter/, 12);
      // as it says itself: the first request is denied
      await session.shutdownCell("apic-demo");
      await session.shutdownCell("apic-demo");
      await session.destroyCell("apic-demo");
    },
  },
  "tiny-demo": { summary: "a greeting, and the PM timer ten times, a second apart" },
  "smp-demo": { summary: "three CPUs answer interrupts of the first" },
  "32-bit-demo": { summary: "an inmate in 32-bit protected mode" },
  "fault-demo": { summary: "uses SSE without enabling it: how a failure is reported" },
};

/** Not one inmate but three, with an application at the root cell. */
const POWER_PLANT = "power-plant";
const POWER_PLANT_SUMMARY =
  "turbine, generator and plant in three cells: start, synchronise, load step, trip";

/** @returns the exit status */
export async function demo(name = POWER_PLANT, options: DemoOptions): Promise<number> {
  if (options.list) {
    const summaries = Object.entries(DEMOS).map(([each, { summary }]) => [each, summary]);
    for (const [each, summary] of [[POWER_PLANT, POWER_PLANT_SUMMARY], ...summaries])
      process.stdout.write(`${each.padEnd(12)} ${summary}\n`);
    return 0;
  }
  if (name === POWER_PLANT) return await powerPlantDemo(options);
  for (const option of ["csv", "fault"] as const)
    if (options[option] !== undefined)
      throw new UsageError(`--${option} is for the demo "${POWER_PLANT}", not for "${name}"`);
  const chosen = name as DemoName;
  const found = DEMOS[chosen];
  if (found === undefined)
    throw new UsageError(
      `there is no demo "${name}": ${[POWER_PLANT, ...Object.keys(DEMOS)].join(", ")}`,
    );
  const scenario: Scenario = {
    system: q35(),
    cells: [{ config: demoCell(chosen), load: [{ image: demoImage(chosen) }] }],
    ...(found.script === undefined ? {} : { script: found.script }),
  };
  return await runScenario(scenario, readBytes, options);
}

/** Images stand beside their sources: the same place seen from `src/cli` and from `dist/cli`. */
function demoImage(name: DemoName): string {
  return fileURLToPath(new URL(`../../inmates/${name}/${name}.bin`, import.meta.url));
}

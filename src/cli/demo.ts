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
import { importScenario, type ScenarioFile } from "./scenario-file.ts";
import { UsageError } from "./usage-error.ts";

interface Demo {
  readonly summary: string;
  /** What the person at the root cell does; without: runs until the cell has ended. */
  readonly script?: (session: Session) => Promise<void>;
}

/** Not one inmate but three, with an application at the root cell. */
const POWER_PLANT = "power-plant";

/** Scenarios of `examples/`, each in a folder of its name. */
const EXAMPLES: Readonly<Record<string, { readonly summary: string }>> = {
  [POWER_PLANT]: {
    summary: "turbine, generator and plant in three cells: start, synchronise, load step, trip",
  },
  "hello-ivshmem": {
    summary: "a program at the root cell and an inmate greet each other through shared memory",
  },
  ethernet: { summary: "two cells exchange packets over a virtual wire" },
};

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

/** @returns the exit status */
export async function demo(name = POWER_PLANT, options: DemoOptions): Promise<number> {
  if (options.list) {
    for (const [each, { summary }] of Object.entries({ ...EXAMPLES, ...DEMOS }))
      process.stdout.write(`${each.padEnd(13)} ${summary}\n`);
    return 0;
  }
  if (name === POWER_PLANT) return await powerPlantDemo(options);
  for (const option of ["csv", "fault"] as const)
    if (options[option] !== undefined)
      throw new UsageError(`--${option} is for the demo "${POWER_PLANT}", not for "${name}"`);
  if (Object.hasOwn(EXAMPLES, name)) {
    const { scenario, read } = await importExample(name);
    return await runScenario(scenario, read, options);
  }
  const chosen = name as DemoName;
  const found = DEMOS[chosen];
  if (found === undefined)
    throw new UsageError(
      `there is no demo "${name}": ${Object.keys({ ...EXAMPLES, ...DEMOS }).join(", ")}`,
    );
  const scenario: Scenario = {
    system: q35(),
    cells: [{ config: demoCell(chosen), load: [{ image: demoImage(chosen) }] }],
    ...(found.script === undefined ? {} : { script: found.script }),
  };
  return await runScenario(scenario, readBytes, options);
}

/** Compiled where this is compiled, since Node strips no types below node_modules; its files stay. */
function importExample(name: string): Promise<ScenarioFile> {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const scenario = import.meta.url.endsWith(".ts")
    ? `../../examples/${name}/scenario.ts`
    : `../examples/${name}/scenario.js`;
  return importScenario(path(scenario), path(`../../examples/${name}`));
}

/** Images stand beside their sources: the same place seen from `src/cli` and from `dist/cli`. */
function demoImage(name: DemoName): string {
  return fileURLToPath(new URL(`../../inmates/${name}/${name}.bin`, import.meta.url));
}

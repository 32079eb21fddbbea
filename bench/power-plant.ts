/** The power plant of the examples, whose controllers work 1000 times a second, against real time. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { powerPlant } from "../src/power-plant/scenario.ts";
import { loadScenario, Session } from "../src/session/index.ts";
import { PROCESSOR } from "./clock.ts";

const FOLDER = join(import.meta.dirname, "../examples/power-plant");

/** Its name for `--only`. */
export const POWER_PLANT = "power-plant";

export interface PowerPlantFigures {
  readonly virtualSeconds: number;
  /** Of this process, all threads: building the machine, compiling and sampling included. */
  readonly processorSeconds: number;
  /** Virtual time by processor time. */
  readonly timesRealTime: number;
  readonly instructions: number;
  /** Samples that the control room took: one each millisecond. */
  readonly samples: number;
}

/** @throws Error if the plant did not come to the end of its script with every signal */
export async function runPowerPlant(): Promise<PowerPlantFigures> {
  let samples = 0;
  let newest: unknown;
  const scenario = powerPlant((name) => join(FOLDER, name, `${name}.bin`), {
    phase: () => {},
    sample: ({ plant, turbine, generator }, failed) => {
      if (failed.length > 0) throw new Error(`${failed.join(", ")} failed`);
      samples++;
      newest = plant && turbine && generator;
    },
  });
  const loaded = await loadScenario(scenario, (file) => readFile(file));
  const before = PROCESSOR();
  const { ended, virtualNs, instructions } = await new Session(loaded).play();
  const processorSeconds = (PROCESSOR() - before) / 1000;
  if (ended !== "script" || newest === undefined)
    throw new Error(`the plant's run ended by "${ended}" after ${samples} samples`);
  const virtualSeconds = virtualNs / 1e9;
  const timesRealTime = virtualSeconds / processorSeconds;
  return { virtualSeconds, processorSeconds, timesRealTime, instructions, samples };
}

/** A line for people. */
export const powerPlantLine = (figures: PowerPlantFigures): string =>
  `power plant, 1 kHz control: ${figures.timesRealTime.toFixed(1)} times real time ` +
  `(${figures.virtualSeconds.toFixed(1)} s in ${figures.processorSeconds.toFixed(2)} s of processor time)`;

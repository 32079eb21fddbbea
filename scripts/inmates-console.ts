/** Whether two images of an inmate, from two compilers, do the same as far as their consoles show. */
import { q35 } from "../src/config/index.ts";
import type { CellConfig } from "../src/config/types.ts";
import { loadScenario } from "../src/session/scenario.ts";
import { Session } from "../src/session/session.ts";

/** Longer than any demo that ends by itself. */
const VIRTUAL_NS = 12e9;

/** @returns what differs, or undefined */
export async function sameConsole(
  config: CellConfig,
  kept: Uint8Array,
  built: Uint8Array,
): Promise<string | undefined> {
  const expected = await consoleShape(config, kept);
  const actual = await consoleShape(config, built);
  for (let line = 0; line < Math.max(expected.length, actual.length); line++)
    if (expected[line] !== actual[line])
      return `console line ${line + 1} is ${JSON.stringify(actual[line])}, was ${JSON.stringify(expected[line])}`;
  return undefined;
}

/** Console lines without their numbers and blanks: times vary with the compiler's code. */
async function consoleShape(config: CellConfig, image: Uint8Array): Promise<string[]> {
  const scenario = { system: q35(), cells: [{ config, load: [{ image }] }], forNs: VIRTUAL_NS };
  const noFiles = () => Promise.reject(new Error("the scenario names no files"));
  const session = new Session(await loadScenario(scenario, noFiles));
  const report = await session.play();
  return (report.cells[0]?.console ?? "").split("\n").map((line) => line.replace(/\s*\d+/g, " N"));
}

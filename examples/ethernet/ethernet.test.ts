import { join } from "node:path";
import { expect, it } from "vitest";
import { importScenario } from "../../src/cli/scenario-file.ts";
import { loadScenario, Session } from "../../src/session/index.ts";

it("two cells exchange packets over the wire", async () => {
  const { scenario, read } = await importScenario(join(import.meta.dirname, "scenario.ts"));
  const report = await new Session(await loadScenario(scenario, read)).play();
  const [answering, pinging] = report.cells;
  expect(answering.console).toBe("Link is up, this is 52:54:00:12:34:56\n");
  const lines = pinging.console.trimEnd().split("\n");
  expect(lines[0]).toBe("Link is up, this is 52:54:00:12:34:57");
  expect(lines.slice(1).map((line) => line.replace(/ after .*/, ""))).toEqual(
    [1, 2, 3, 4, 5].map((number) => `Answer from 52:54:00:12:34:56 to packet ${number}`),
  );
  // 64 bytes, preamble and gap take 672 ns each way at 1 Gb/s; the rest is the cells' own
  for (const line of lines.slice(1))
    expect(Number(/after (\d+) ns$/.exec(line)?.[1])).toBeGreaterThan(2 * 672);
  expect(report.cells.flatMap(({ cpus }) => cpus.map(({ state }) => state))).toEqual([
    "halted",
    "halted",
  ]);
});

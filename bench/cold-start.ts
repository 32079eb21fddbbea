/** From the command to the first lines of a console, as a person sees it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { median } from "./statistics.ts";

const HERE = join(import.meta.dirname, "..");
const SCENARIO = join(HERE, "examples/two-cells.ts");
/** What the first inmate of the scenario says first. */
const FIRST_OF_A_CELL = /Hello from this tiny cell/;

/** Its name for `--only`. */
export const COLD_START = "cold-start";

export interface ColdStart {
  /** To the first line of the hypervisor's console. Milliseconds of the wall clock, median. */
  readonly firstLine: number;
  /** To the first line of a cell. */
  readonly firstLineOfACell: number;
  readonly samples: readonly StartTimes[];
}

export interface StartTimes {
  readonly firstLine: number;
  readonly firstLineOfACell: number;
}

/** @throws Error if a line does not come */
export async function measureColdStart(starts: number): Promise<ColdStart> {
  const samples: StartTimes[] = [];
  for (let k = 0; k < starts; k++) samples.push(await start());
  return {
    firstLine: median(samples.map(({ firstLine }) => firstLine)),
    firstLineOfACell: median(samples.map(({ firstLineOfACell }) => firstLineOfACell)),
    samples,
  };
}

function start(): Promise<StartTimes> {
  const before = performance.now();
  const child = spawn(join(HERE, "gaoler"), ["run", SCENARIO], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  let firstLine: number | undefined;
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) =>
      reject(new Error(`gaoler run ${SCENARIO} ended with ${status} before the awaited line`)),
    );
    child.stdout.on("data", (bytes: Buffer) => {
      printed += bytes.toString("utf8");
      const now = performance.now() - before;
      if (printed.trimStart().includes("\n")) firstLine ??= now;
      if (firstLine === undefined || !FIRST_OF_A_CELL.test(printed)) return;
      resolve({ firstLine, firstLineOfACell: now });
      child.kill();
    });
  });
}

/** A line for people. */
export const coldStartLine = ({ firstLine, firstLineOfACell }: ColdStart): string =>
  `cold start of gaoler run: ${firstLine.toFixed(0)} ms to the first console line, ` +
  `${firstLineOfACell.toFixed(0)} ms to the first of a cell`;

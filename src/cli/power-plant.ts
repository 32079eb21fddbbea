/** `gaoler demo power-plant`: live pictures on a terminal, a table elsewhere, and the signals in files. */
import { fileURLToPath } from "node:url";
import type { Phase } from "../power-plant/phases.ts";
import { columns, csv } from "../power-plant/recording.ts";
import { FAULTS, type Fault, powerPlant } from "../power-plant/scenario.ts";
import type { Controller, Sample } from "../power-plant/signals.ts";
import { TABLE_HEAD, tableRow } from "../power-plant/table.ts";
import { type ConsoleLine, type Screen, screenLines } from "../power-plant/view.ts";
import { checkWritable, readBytes, writeText } from "./files.ts";
import type { DemoOptions } from "./program.ts";
import { runScenario } from "./run.ts";
import { type Output, type Paint, paintFor, Terminal } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** Samples a second in the table, and pictures a second on a terminal. */
const TABLE_ROWS_PER_S = 1;
const PICTURES_PER_S = 20;

/** Of a terminal that does not tell its size. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
/** What the pictures need at least. */
const FEWEST_COLUMNS = 24;
const FEWEST_ROWS = 8;

/** @returns the exit status */
export async function powerPlantDemo(options: DemoOptions): Promise<number> {
  const fault = faultOf(options.fault);
  if (options.csv !== undefined) await checkWritable(options.csv);
  // what is exported has standard output to itself
  const stream = [options.json, options.csv].includes("-") ? process.stderr : process.stdout;
  const samples: Sample[] = [];
  const display = stream.isTTY ? new LiveDisplay(stream, samples) : new TableDisplay(stream);
  const scenario = powerPlant(
    controllerImage,
    {
      phase: (phase) => display.phase(phase),
      sample: (sample, failed) => {
        samples.push(sample);
        display.sample(sample, failed);
      },
    },
    fault,
  );
  const status = await runScenario(
    scenario,
    readBytes,
    // else it would be over before anybody has looked
    stream.isTTY ? { ...options, realtime: true } : options,
    { output: display, extra: () => ({ signals: columns(samples) }) },
  );
  if (options.csv !== undefined) await writeText(options.csv, csv(samples));
  return status;
}

function faultOf(name: string | undefined): Fault | undefined {
  const fault = FAULTS.find((each) => each === name);
  if (name !== undefined && fault === undefined)
    throw new UsageError(`there is no fault "${name}": ${FAULTS.join(", ")}`);
  return fault;
}

/** Images stand beside their sources: the same place seen from `src/cli` and from `dist/cli`. */
const controllerImage = (name: Controller): string =>
  fileURLToPath(new URL(`../../examples/power-plant/${name}/${name}.bin`, import.meta.url));

/** Console lines, and a row of the table for each second and each order. */
class TableDisplay extends Terminal {
  #started = false;
  #due = 0;
  #newest: Sample | undefined;

  override console(cell: string | undefined, text: string): void {
    // how the machine was set up is not what this is about
    if (this.#started || cell !== undefined) super.console(cell, text);
  }

  override note(text: string): void {
    if (this.#started) super.note(text);
  }

  phase({ atS, name }: Phase): void {
    this.#started = true;
    this.lines(["", `== ${atS} s: ${name}`, ...TABLE_HEAD]);
    if (this.#newest?.plant !== undefined) this.lines([tableRow(this.#newest)]);
  }

  sample(sample: Sample): void {
    this.#newest = sample;
    if (sample.timeS < this.#due) return;
    if (this.#started && this.#due > 0) this.lines([tableRow(sample)]);
    this.#due += 1 / TABLE_ROWS_PER_S;
  }
}

/** Redraws the whole screen; what it shows at the end stays. */
class LiveDisplay implements Output {
  readonly paint: Paint;
  readonly #stream: NodeJS.WriteStream;
  readonly #samples: readonly Sample[];
  readonly #console: ConsoleLine[] = [];
  #phase: Phase | undefined;
  #failed: readonly string[] = [];
  #live = false;
  #ended = false;
  #lastPictureMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream, samples: readonly Sample[]) {
    this.#stream = stream;
    this.paint = paintFor(stream);
    this.#samples = samples;
  }

  console(cell: string | undefined, text: string): void {
    if (this.#ended) this.#stream.write(`${text}\n`);
    else if (this.#live || cell !== undefined) this.#console.push({ cell, text });
  }

  note(text: string): void {
    this.console(undefined, text);
  }

  lines(lines: readonly string[]): void {
    for (const line of lines) this.console(undefined, line);
  }

  phase(phase: Phase): void {
    this.#phase = phase;
    this.#console.push({ cell: undefined, text: `== ${phase.atS} s: ${phase.name}` });
    this.#begin();
  }

  sample(_sample: Sample, failed: readonly string[]): void {
    this.#failed = failed;
  }

  progress(): void {
    const nowMs = performance.now();
    if (!this.#live || nowMs - this.#lastPictureMs < 1000 / PICTURES_PER_S) return;
    this.#lastPictureMs = nowMs;
    // over the picture before: what a line leaves, and what is below, is cleared
    this.#stream.write(`\x1b[H${this.#picture().join("\x1b[K\r\n")}\x1b[J`);
  }

  end(): void {
    this.#leave();
    this.#ended = true;
    if (this.#phase !== undefined) this.lines(this.#picture());
  }

  #picture(): string[] {
    const screen: Screen = {
      samples: this.#samples,
      phase: this.#phase,
      console: this.#console,
      failed: this.#failed,
    };
    // a terminal that does not know its size says 0
    const columns = this.#stream.columns || DEFAULT_COLUMNS;
    const rows = this.#stream.rows || DEFAULT_ROWS;
    return screenLines(
      screen,
      Math.max(FEWEST_COLUMNS, columns),
      // one line is left for the prompt, or the end of the run
      Math.max(FEWEST_ROWS, rows - 1),
      this.paint,
    );
  }

  /** To the alternate screen, without a cursor. */
  #begin(): void {
    if (this.#live) return;
    this.#live = true;
    this.#stream.write("\x1b[?1049h\x1b[?25l");
    process.once("exit", this.#leave);
  }

  readonly #leave = (): void => {
    if (!this.#live) return;
    this.#live = false;
    this.#stream.write("\x1b[?25h\x1b[?1049l");
    process.off("exit", this.#leave);
  };
}

/** `gaoler run`: a scenario from a file or from configurations and images, to its end. */
import { checkLinks, formatFinding } from "../config/index.ts";
import { decodeRecording, RecordingWriter } from "../session/recording.ts";
import { replay } from "../session/replay.ts";
import { loadScenario, type ReadFile, type Scenario } from "../session/scenario.ts";
import { Session } from "../session/session.ts";
import { checkWritable, openLines, readBytes, writeText } from "./files.ts";
import type { RunOptions } from "./program.ts";
import { reportLines } from "./report-text.ts";
import { importScenario } from "./scenario-file.ts";
import { type Output, Terminal } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** As if somebody typed: cells that start in the same instant all find that they are the first. */
const COMMAND_NS = 10_000_000;

/** @returns the exit status */
export async function run(file: string | undefined, options: RunOptions): Promise<number> {
  if (file === undefined) return await runScenario(fromOptions(options), readBytes, options);
  if (options.system !== undefined || options.cells.length > 0 || options.device?.length)
    throw new UsageError(
      "a scenario file names its own system, cells and devices: leave out --system, --cell and --device",
    );
  const { scenario, read } = await importScenario(file);
  return await runScenario(scenario, read, options);
}

function fromOptions({ system, cells, device = [] }: RunOptions): Scenario {
  if (system === undefined)
    throw new UsageError(
      "give a scenario file, or --system FILE with --cell FILE --load IMAGE (see gaoler run --help)",
    );
  if (cells.length === 0)
    throw new UsageError("give at least one --cell FILE to run in the system");
  return {
    system,
    devices: device,
    cells: cells.map(({ file, load, startAfter, features }, index) => ({
      config: file,
      ...(features && { features }),
      startAfterNs: startAfter ?? (index === 0 ? 0 : COMMAND_NS),
      load: load.map(({ kind, text, address }) => ({
        ...(kind === "image" ? { image: text } : { commandLine: text }),
        ...(address === undefined ? {} : { address }),
      })),
    })),
  };
}

/** How a run is shown, if not line by line. */
export interface Presentation {
  readonly output?: Output;
  /** What the JSON report has beside the session's. */
  readonly extra?: () => object;
}

/** @returns 0 ended as asked, 1 a cell failed or the wanted line never came */
export async function runScenario(
  scenario: Scenario,
  read: ReadFile,
  options: RunOptions,
  { output, extra }: Presentation = {},
): Promise<number> {
  checkEngine(options.engine);
  if (options.json !== undefined) await checkWritable(options.json);
  const recording = options.record === undefined ? undefined : await openLines(options.record);
  const recorder = recording && new RecordingWriter((line) => recording.write(line));
  const loaded = await loadScenario(
    {
      ...scenario,
      ...(options.replay === undefined ? {} : { script: await scriptOf(options.replay) }),
      ...(options.for === undefined ? {} : { forNs: options.for }),
      ...(options.until === undefined ? {} : { until: options.until }),
    },
    read,
  );
  // the report has standard output to itself
  const terminal = output ?? new Terminal(options.json === "-" ? process.stderr : process.stdout);
  const configs = loaded.cells.map(({ config }) => config);
  // what root's links alone might suffer concerns nobody who uses none
  const isLinked = configs.some(({ pciDevices }) =>
    pciDevices.some(({ type }) => type === "ivshmem"),
  );
  if (isLinked)
    for (const finding of checkLinks(loaded.system, configs)) terminal.note(formatFinding(finding));
  const session = new Session(loaded, {
    jit: options.jit || "off",
    realtime: options.realtime === true,
    ...(recorder && { record: (action) => recorder.add(action) }),
  });
  session.on((event) => {
    switch (event.kind) {
      case "line":
        return terminal.console(event.cell, event.text);
      case "print":
        return terminal.console(undefined, event.text);
      case "request":
        return terminal.note(`# ${event.text}`);
      case "refused":
        return terminal.note(`# ${event.text}: ${event.refusal.reason} (${event.refusal.errno})`);
      case "progress":
        return terminal.progress(`${(event.virtualNs / 1e9).toFixed(3)} s of virtual time`);
    }
  });

  const interrupt = new AbortController();
  // a second Ctrl-C finds no listener and ends the process
  process.once("SIGINT", () => interrupt.abort());
  const report = await session.play(interrupt.signal).finally(() => {
    recorder?.flush();
    return recording?.close();
  });
  terminal.end();
  terminal.console(undefined, "");
  terminal.lines(reportLines(report, terminal.paint));
  if (options.json !== undefined) {
    const json = { ...report, memoryHash: session.memoryHash(), ...extra?.() };
    // what is added may be long rows of numbers
    const indent = extra === undefined ? 2 : undefined;
    await writeText(options.json, `${JSON.stringify(json, undefined, indent)}\n`);
  }

  const failed = report.cells.some(
    ({ state, cpus }) => state === "failed" || cpus.some((cpu) => cpu.state === "failed"),
  );
  const missed = report.ended === "line" ? [] : session.unmatched;
  for (const pattern of missed) terminal.note(`no line matched ${pattern}`);
  return failed || missed.length > 0 ? 1 : 0;
}

/** What was recorded in a file, in place of the scenario's own script. */
async function scriptOf(file: string): Promise<NonNullable<Scenario["script"]>> {
  const actions = decodeRecording(new TextDecoder().decode(await readBytes(file)), file);
  return (session) => replay(session, actions);
}

function checkEngine(engine: string): void {
  if (engine === "wasm" || engine === "auto") return;
  if (engine === "kvm")
    throw new UsageError("the KVM engine is not available in this version: use --engine wasm");
  throw new UsageError(`there is no engine "${engine}": wasm, kvm or auto`);
}

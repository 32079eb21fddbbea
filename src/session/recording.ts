/**
 * The text form of a run's {@link RootAction}s: JSON, one moment a line, behind a line that says
 * what it is. Bytes are hexadecimal. Each line ends in a sum over itself and the lines before it: a
 * moment within a round is as good as the next one to the machine, so that a replay alone would not
 * notice that it is not the recorded one.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { decodeConfig, encodeConfig } from "../config/codec/index.ts";
import type { CellConfig } from "../config/types.ts";
import type { RootAction } from "./root-action.ts";
import type { Moment } from "./root-link.ts";
import { ScenarioError } from "./scenario.ts";

const HEADER = { recording: "gaoler", version: 2 } as const;

/** How a value stands in the text. `read` throws a word for what was wanted. */
interface Form {
  write(value: never): unknown;
  read(value: unknown): unknown;
}

const asIs = (wanted: string, fits: (value: unknown) => boolean): Form => ({
  write: (value) => value,
  read: (value) => {
    if (fits(value)) return value;
    throw new ScenarioError(`not ${wanted}`);
  },
});

const text = asIs("text", (value) => typeof value === "string");
const flag = asIs("true or false", (value) => typeof value === "boolean");
const count = asIs(
  "a whole number from 0 on",
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
);
const time = asIs(
  "a time in nanoseconds",
  (value) => typeof value === "number" && value >= 0 && Number.isFinite(value),
);
const name = asIs(
  "the name or number of a cell",
  (value) => typeof value === "string" || Number.isSafeInteger(value),
);
const verb = asIs("a request", (value) =>
  ["create", "set-loadable", "start", "destroy", "disable"].includes(value as string),
);
const ending = asIs("an ending", (value) =>
  ["time", "line", "cells", "script", "power", "interrupted"].includes(value as string),
);

const bytes: Form = {
  write: (value: Uint8Array) =>
    Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  read: (value) => {
    if (typeof value !== "string" || !/^([0-9a-f]{2})*$/.test(value))
      throw new ScenarioError("not bytes in hexadecimal");
    return Uint8Array.from({ length: value.length / 2 }, (_, index) =>
      Number.parseInt(value.slice(2 * index, 2 * index + 2), 16),
    );
  },
};

const config: Form = {
  write: (value: CellConfig) => bytes.write(encodeConfig(value) as never),
  read: (value) => decodeConfig(bytes.read(value) as Uint8Array, { file: "its configuration" }),
};

type Fields = Readonly<Record<string, Form>>;

/** Of an object; `optional` ones may be missing. */
function object(fields: Fields, optional: Fields = {}): Form {
  const all = { ...fields, ...optional };
  return {
    write: (value: Readonly<Record<string, never>>) =>
      Object.fromEntries(
        Object.entries(all)
          .filter(([field]) => field in value)
          .map(([field, form]) => [field, form.write(value[field])]),
      ),
    read: (value) => {
      if (typeof value !== "object" || value === null) throw new ScenarioError("not an object");
      const given = value as Readonly<Record<string, unknown>>;
      const entries = Object.entries(all).filter(([field]) => field in given || field in fields);
      return Object.fromEntries(
        entries.map(([field, form]) => [field, inField(field, () => form.read(given[field]))]),
      );
    },
  };
}

function inField<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ScenarioError(`${field}: ${(error as Error).message}`);
  }
}

const link = { link: text };
const transfer = object({ ...link, section: text, offset: count, bytes });

/** By kind, what an action has beside its moment. */
const ACTIONS: Readonly<Record<RootAction["kind"], Form>> = {
  open: object(link),
  close: object(link),
  read: transfer,
  write: transfer,
  state: object({ ...link, value: count }),
  "remote-state": object({ ...link, peer: count, value: count }),
  ring: object({ ...link, peer: count, vector: count }),
  interrupt: object({ ...link, interrupt: object({ vector: count, count, atNs: time }) }),
  print: object({ text }),
  request: object({ text, request: object({ verb }, { cell: name, config }) }),
  "load-image": object({ text, cell: name, image: object({ name: text, bytes, address: count }) }),
  abandon: object({ request: count }),
  end: object({ ended: ending, memoryHash: text }),
};

/** Writes actions as they come. */
export class RecordingWriter {
  readonly #line: (line: string) => void;
  #moment: Moment | undefined;
  #actions: unknown[] = [];
  #sum = "";

  /** @param line takes a line of the text, with its line feed */
  constructor(line: (line: string) => void) {
    this.#line = line;
    line(`${JSON.stringify(HEADER)}\n`);
  }

  add(action: RootAction): void {
    if (this.#moment !== undefined && !isSame(this.#moment, action.moment)) this.flush();
    this.#moment = action.moment;
    const { kind } = action;
    this.#actions.push({ kind, ...(ACTIONS[kind].write(action as never) as object) });
  }

  /** What is not written yet. */
  flush(): void {
    if (this.#actions.length === 0) return;
    const moment = { ...this.#moment, actions: this.#actions };
    this.#sum = sumOf(this.#sum, JSON.stringify(moment));
    this.#line(`${JSON.stringify({ ...moment, sum: this.#sum })}\n`);
    this.#actions = [];
  }
}

/** @param before the sum of the line before @param line without its own */
const sumOf = (before: string, line: string): string =>
  bytesToHex(sha256(utf8ToBytes(before + line)).subarray(0, 8));

const isSame = (a: Moment, b: Moment): boolean =>
  a.atNs === b.atNs &&
  a.due === b.due &&
  a.retired.every((count, index) => count === b.retired[index]);

/**
 * @param file its name, for errors
 * @throws ScenarioError naming line and field; if the end of the run is missing; or naming the first
 *   line that is not as it was written
 */
export function decodeRecording(recording: string, file: string): RootAction[] {
  const [first, ...lines] = recording.replace(/\n$/, "").split("\n");
  if (first !== JSON.stringify(HEADER))
    throw new ScenarioError(`${file}: is not a recording, which begins ${JSON.stringify(HEADER)}`);
  const actions = lines.flatMap((line, index) => {
    try {
      return decodeMoment(JSON.parse(line));
    } catch (error) {
      throw new ScenarioError(`${file}, line ${index + 2}: ${(error as Error).message}`);
    }
  });
  checkSums(lines, file);
  if (actions.at(-1)?.kind !== "end")
    throw new ScenarioError(
      `${file}: the recording has no end: its last action must be "end", with the hash of memory`,
    );
  return actions;
}

function checkSums(lines: readonly string[], file: string): void {
  let sum = "";
  lines.forEach((line, index) => {
    const [, moment = "", found] = /^(.*),"sum":"([0-9a-f]*)"\}$/.exec(line) ?? [];
    sum = sumOf(sum, `${moment}}`);
    if (found !== sum)
      throw new ScenarioError(
        `${file}, line ${index + 2}: sum: differs from that of the line and those before it: the moment or its actions are not the recorded ones, or a line is missing before it`,
      );
  });
}

interface MomentText {
  readonly atNs?: unknown;
  readonly retired?: unknown;
  readonly due?: unknown;
  readonly actions?: unknown;
}

function decodeMoment(value: MomentText): RootAction[] {
  const atNs = inField("atNs", () => time.read(value.atNs) as number);
  const { retired, actions } = value;
  if (!Array.isArray(retired) || !Array.isArray(actions))
    throw new ScenarioError('has no "retired" and "actions"');
  const moment: Moment = {
    atNs,
    retired: retired.map((each) => inField("retired", () => count.read(each) as number)),
    due: inField("due", () => flag.read(value.due) as boolean),
  };
  return actions.map((action: { kind?: unknown }): RootAction => {
    const kind = action?.kind as RootAction["kind"];
    if (!Object.hasOwn(ACTIONS, kind)) throw new ScenarioError(`"${kind}" is no kind of action`);
    return inField(kind, () => ({
      kind,
      moment,
      ...(ACTIONS[kind].read(action) as object),
    })) as RootAction;
  });
}

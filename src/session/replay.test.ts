import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { demoCell, q35 } from "../config/index.ts";
import { decodeRecording, RecordingWriter } from "./recording.ts";
import { replay } from "./replay.ts";
import type { RootAction } from "./root-action.ts";
import { loadScenario, type Scenario } from "./scenario.ts";
import { Session, type SessionEvent } from "./session.ts";

const image = (name: string) => `${name}/${name}.bin`;
const read = async (name: string) =>
  new Uint8Array(await readFile(join(import.meta.dirname, "../../inmates", name)));

async function play(scenario: Scenario) {
  const lines: string[] = [];
  const writer = new RecordingWriter((line) => lines.push(line));
  const session = new Session(await loadScenario(scenario, read), {
    record: (action) => writer.add(action),
  });
  const requests: SessionEvent[] = [];
  session.on((event) => {
    if (event.kind === "request" || event.kind === "refused") requests.push(event);
  });
  const report = await session.play();
  writer.flush();
  return { report, requests, recording: lines.join("") };
}

/** A person with two hands: both cells are looked after at the same time. */
const scenario: Scenario = {
  system: q35(),
  cells: [{ config: demoCell("apic-demo"), load: [{ image: image("apic-demo") }] }],
  script: async (session) => {
    const bytes = await read(image("tiny-demo"));
    const tiny = demoCell("tiny-demo");
    await Promise.all([
      (async () => {
        await session.waitForLine(/Timer fired/, 3);
        // locked by apic-demo: refused
        await session.createCell(tiny);
        // refused by the cell once, then followed
        await session.shutdownCell("apic-demo");
        await session.shutdownCell("apic-demo");
      })(),
      session.runFor(123_456_789),
    ]);
    await session.createCell(tiny);
    // not where the cell has memory
    await session.loadCell(tiny.name, [{ name: "wrong", bytes, address: 0x1000_0000 }]);
    await session.loadCell(tiny.name, [{ name: "tiny-demo.bin", bytes, address: 0 }]);
    await session.startCell(tiny.name);
    session.print("tiny-demo runs");
    await session.waitForLine(/PM Timer/, 2);
    await session.destroyCell(tiny.name);
    await session.disable();
  },
};

describe("a replay", () => {
  it("does again what was asked for, created and loaded, to the same report", async () => {
    const first = await play(scenario);
    expect(first.requests.map((event) => (event.kind === "request" ? "" : "refused"))).toContain(
      "refused",
    );
    const actions = decodeRecording(first.recording, "a.rec");
    const again = await play({ ...scenario, script: (session) => replay(session, actions) });
    expect(again.report).toEqual(first.report);
    expect(again.requests).toEqual(first.requests);
    expect(again.recording).toBe(first.recording);
  });

  it("finds moments of every kind while CPUs are busy", async () => {
    const busy: Scenario = {
      ...scenario,
      cells: [{ config: demoCell("smp-demo"), load: [{ image: image("smp-demo") }] }],
      script: async (session) => {
        for (const nanoseconds of [1, 12_345, 10_000_000, 7_654_321, 9_999]) {
          await session.runFor(nanoseconds);
          session.print(`after ${nanoseconds} ns`);
        }
        const other = demoCell("tiny-demo");
        await session.destroyCell("smp-demo");
        await session.createCell(other);
        const bytes = await read(image("tiny-demo"));
        await session.loadCell(other.name, [{ name: "tiny-demo.bin", bytes, address: 0 }]);
        await session.startCell(other.name);
        // it waits by looking at a clock
        for (const nanoseconds of [1, 12_345, 10_000_000, 7_654_321, 9_999]) {
          await session.runFor(nanoseconds);
          session.print(`after ${nanoseconds} ns more`);
        }
        await session.waitForLine(/PM Timer/);
        session.print("a line");
        await session.shutdownCell(other.name);
      },
    };
    const first = await play(busy);
    const actions = decodeRecording(first.recording, "a.rec");
    const again = await play({ ...busy, script: (session) => replay(session, actions) });
    expect(again.report).toEqual(first.report);
    expect(again.recording).toBe(first.recording);
  });

  it.each<[string, Partial<Scenario>]>([
    ["by its time", { forNs: 250_000_000 }],
    ["by a line", { until: /Timer fired/ }],
  ])("ends where the run has ended: %s", async (_, limits) => {
    const first = await play({ ...scenario, ...limits });
    const actions = decodeRecording(first.recording, "a.rec");
    const again = await play({
      ...scenario,
      ...limits,
      script: (session) => replay(session, actions),
    });
    expect(again.report).toEqual(first.report);
  });

  it("notices another memory at the end", async () => {
    const { recording } = await play({ ...scenario, script: async () => {} });
    const actions = decodeRecording(recording, "a.rec");
    const other = actions.map(
      (action): RootAction =>
        action.kind === "end" ? { ...action, memoryHash: "0".repeat(64) } : action,
    );
    await expect(
      play({ ...scenario, script: (session) => replay(session, other) }),
    ).rejects.toThrow(/this run differs from the recorded one: hash of memory is/);
  });
});

describe("a recording that is not as it was written", () => {
  const lines: string[] = [];
  const writer = new RecordingWriter((line) => lines.push(line));
  const at = (atNs: number) => ({ atNs, retired: [0, atNs], due: false });
  writer.add({ kind: "print", moment: at(1), text: "one" });
  writer.add({ kind: "print", moment: at(21_062), text: "two" });
  writer.add({ kind: "end", moment: at(30_000), ended: "script", memoryHash: "0".repeat(64) });
  writer.flush();
  const [header, one, two, end] = lines;

  it("is taken if it is", () => {
    const actions = decodeRecording(lines.join(""), "a.rec");
    expect(actions.map(({ kind }) => kind)).toEqual(["print", "print", "end"]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ["cut short", [header, one, two], /^a\.rec: the recording has no end/],
    ["empty", [header], /^a\.rec: the recording has no end/],
    ["another count", [header, one, two.replace("[0,21062]", "[0,21063]"), end], /line 3: sum: /],
    ["another text", [header, one.replace("one", "eins"), two, end], /line 2: sum: /],
    ["a line missing", [header, one, end], /line 3: sum: /],
    ["lines swapped", [header, two, one, end], /line 2: sum: /],
    ["no sum", [header, one, two.replace(/,"sum":".*"/, ""), end], /line 3: sum: /],
  ])("%s", (_, text, error) => {
    expect(() => decodeRecording(text.join(""), "a.rec")).toThrow(error);
  });
});

describe("a recording that is none", () => {
  const HEADER = '{"recording":"gaoler","version":2}';
  it.each([
    ["another file", "hello", /^a\.rec: is not a recording, which begins \{"recording"/],
    ["no JSON", `${HEADER}\nhello`, /^a\.rec, line 2: .*JSON/],
    ["no moment", `${HEADER}\n{}`, /line 2: atNs: not a time in nanoseconds/],
    ["no actions", `${HEADER}\n{"atNs":1,"retired":[1]}`, /line 2: has no "retired" and "actions"/],
    [
      "no such action",
      `${HEADER}\n{"atNs":1,"retired":[1],"due":false,"actions":[{"kind":"toString"}]}`,
      /line 2: "toString" is no kind of action/,
    ],
    [
      "a field",
      `${HEADER}\n{"atNs":1,"retired":[],"due":true,"actions":[]}\n{"atNs":1,"retired":[1],"due":false,"actions":[{"kind":"write","link":"0","section":"output","offset":-1,"bytes":""}]}`,
      /line 3: write: offset: not a whole number from 0 on/,
    ],
    [
      "bytes",
      `${HEADER}\n{"atNs":1,"retired":[1],"due":false,"actions":[{"kind":"write","link":"0","section":"output","offset":1,"bytes":"abc"}]}`,
      /line 2: write: bytes: not bytes in hexadecimal/,
    ],
  ])("%s", (_, text, error) => {
    expect(() => decodeRecording(text, "a.rec")).toThrow(error);
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importScenario } from "../../src/cli/scenario-file.ts";
import {
  decodeRecording,
  demoCell,
  loadScenario,
  q35,
  RecordingWriter,
  type Revision,
  type RootAction,
  replay,
  type Scenario,
  Session,
  type SessionEvent,
} from "../../src/session/index.ts";

const here = (name: string) => join(import.meta.dirname, name);
const { scenario, read } = await importScenario(here("scenario.ts"));

const DIALOGUE = [
  "IVSHMEM area is mapped",
  "Virtual PCI registers area is mapped",
  "Send IRQ to Cell",
  "Wait IRQ from Cell",
  "IRQ Received",
  'Cell\'s message : "Hello From IVSHMEM "',
  "",
].join("\n");

async function play(changed: Partial<Scenario> = {}) {
  const actions: RootAction[] = [];
  const loaded = await loadScenario({ ...scenario, ...changed }, read);
  const session = new Session(loaded, { record: (action) => actions.push(action) });
  const events: SessionEvent[] = [];
  session.on((event) => events.push(event));
  const report = await session.play();
  return { session, report, actions, events };
}

describe("hello-ivshmem", () => {
  it("prints what the talk shows, and the cell its side of it", async () => {
    const { report } = await play();
    expect(report.printed).toBe(DIALOGUE);
    expect(report.cells[0].console).toMatch(
      /^Shared memory, version 2, device 01:10.0, end 1 of 2\nWait IRQ\nIRQ received, message written, send IRQ\n$/,
    );
    expect(report.ended).toBe("script");
  });

  it.each<Revision>([3, 4, 8, 9, 10, 12, 14])(
    "the same image on the links of the board, revision %d",
    async (revision) => {
      const image = readFileSync(here("hello-ivshmem.bin"));
      const { report } = await play({
        system: q35(revision),
        cells: [
          {
            config: { ...demoCell("ivshmem-demo", revision), name: "hello-ivshmem" },
            load: [
              { image, address: 0 },
              // CPUs of the oldest start there, not at 0: jmp 0:0
              ...(revision < 8
                ? [{ image: Uint8Array.of(0xea, 0, 0, 0, 0), address: 0xffff0 }]
                : []),
              { commandLine: "con-base=0x3f8", address: 0x1000 },
            ],
          },
        ],
      });
      expect(report.printed).toBe(DIALOGUE);
      expect(report.cells[0].console).toContain(
        revision < 12 ? "version 1, device 00:0f.0, end 1 of 2" : "version 2",
      );
    },
  );

  it("what root did is the same in every run, at the same moments", async () => {
    const [first, second] = [await play(), await play()];
    expect(second.actions).toEqual(first.actions);
    expect(first.actions.map(({ kind }) => kind)).toEqual([
      ...["open", "print", "print", "remote-state", "interrupt", "print", "ring", "print"],
      ...["interrupt", "print", "read", "print", "request", "end"],
    ]);
    expect(second.session.memoryHash()).toBe(first.session.memoryHash());
  });

  it("and can be repeated without the program, to the same report", async () => {
    const recorded = await play();
    const lines: string[] = [];
    const writer = new RecordingWriter((line) => lines.push(line));
    for (const action of recorded.actions) writer.add(action);
    writer.flush();
    const actions = decodeRecording(lines.join(""), "hello.rec");
    expect(actions).toEqual(recorded.actions);
    const again = await play({ script: (session) => replay(session, actions) });
    expect(again.report).toEqual(recorded.report);
    // but for news of how far it is, which the host's clock asks for
    const told = ({ kind }: SessionEvent) => kind !== "progress";
    expect(again.events.filter(told)).toEqual(recorded.events.filter(told));
    expect(again.actions).toEqual(recorded.actions);
  });

  it("a replay in another system says where it differs", async () => {
    const { actions } = await play();
    const other: Scenario["cells"] = scenario.cells.map(({ config, load }) => ({
      config,
      load: [...load, { commandLine: "con-type=none" }],
    }));
    await expect(
      play({ cells: other, script: (session) => replay(session, actions) }),
    ).rejects.toThrow(/replay at \d+ ns: this run differs from the recorded one/);
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importScenario } from "../../src/cli/scenario-file.ts";
import {
  demoCell,
  type LinkAccess,
  loadScenario,
  q35,
  type Revision,
  replayLinks,
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
  const accesses: LinkAccess[] = [];
  const loaded = await loadScenario({ ...scenario, ...changed }, read);
  const session = new Session(loaded, { linkAccess: (access) => accesses.push(access) });
  const events: SessionEvent[] = [];
  session.on((event) => events.push(event));
  const report = await session.play();
  return { session, report, accesses, events };
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

  it.each<Revision>([8, 9, 10, 12, 14])(
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
    expect(second.accesses).toEqual(first.accesses);
    expect(first.accesses.map(({ kind }) => kind)).toEqual([
      ...["open", "remote-state", "interrupt", "ring", "interrupt", "read"],
    ]);
    expect(second.session.memoryHash()).toBe(first.session.memoryHash());
  });

  it("and can be repeated without the program", async () => {
    const recorded = await play();
    const last = recorded.accesses.at(-1)?.moment;
    const again = await play({
      script: async (session) => {
        replayLinks(session, recorded.accesses);
        expect(session.nowNs).toBe(last?.atNs);
        await session.shutdownCell("hello-ivshmem");
      },
    });
    expect(again.session.memoryHash()).toBe(recorded.session.memoryHash());
    expect(again.report.instructions).toBe(recorded.report.instructions);
    expect(again.report.virtualNs).toBe(recorded.report.virtualNs);
    expect(again.report.printed).toBe("");
  });

  it("a replay in another system says where it differs", async () => {
    const { accesses } = await play();
    const other: Scenario["cells"] = scenario.cells.map(({ config, load }) => ({
      config,
      load: [...load, { commandLine: "con-type=none" }],
    }));
    await expect(
      play({ cells: other, script: async (session) => replayLinks(session, accesses) }),
    ).rejects.toThrow(/replay at \d+ ns: this run differs from the recorded one/);
  });
});

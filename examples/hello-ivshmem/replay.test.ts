/** Scripts of many kinds, side by side, at two cells and a third that is busy: each is replayed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type CellConfig,
  cell,
  com1,
  commRegion,
  decodeRecording,
  demoCell,
  KiB,
  loadScenario,
  MiB,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  RecordingWriter,
  ram,
  replay,
  type Scenario,
  Session,
  uart8250,
} from "../../src/session/index.ts";

const image = (path: string) =>
  new Uint8Array(readFileSync(join(import.meta.dirname, "../..", path)));
const hello = image("examples/hello-ivshmem/hello-ivshmem.bin");
const { inmates } = q35MemoryMap(14);
const link = { at: "01:10.0", base: inmates, outputBytes: 4 * KiB, peers: 3, vectors: 1 };

function helloCell(id: number): CellConfig {
  const end = ownLinkEnd(link, id);
  return cell({
    name: `hello-${id}`,
    cpus: [id],
    memory: [
      ...end.regions,
      ram({ phys: inmates + id * MiB, virt: 0, sizeBytes: MiB }),
      commRegion({ virt: MiB }),
    ],
    ports: [com1],
    pciDevices: [end.device],
    passiveCommRegion: true,
    console: uart8250(com1),
  });
}

const scenario: Scenario = {
  system: q35(14, [link]),
  cells: [
    ...[1, 2].map((id) => ({ config: helloCell(id), load: [{ image: hello }] })),
    {
      config: { ...demoCell("tiny-demo"), cpus: [3] },
      load: [{ image: image("inmates/tiny-demo/tiny-demo.bin") }],
    },
  ],
};

const step = fc.oneof(
  fc.record({ do: fc.constant("run" as const), ns: fc.integer({ min: 1, max: 3_000_000 }) }),
  fc.record({ do: fc.constant("ring" as const), peer: fc.constantFrom(1, 2) }),
  fc.record({ do: fc.constant("state" as const), value: fc.nat(1000) }),
  fc.record({ do: fc.constant("interrupt" as const), ns: fc.constantFrom(100_000, 2_000_000) }),
  fc.record({ do: fc.constant("line" as const), peer: fc.constantFrom(1, 2) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function follow(session: Session, steps: readonly Step[]): Promise<void> {
  const end = session.openLink("01:10.0");
  for (const each of steps) {
    if (each.do === "run") await session.runFor(each.ns);
    else if (each.do === "ring") end.ring(0, each.peer);
    else if (each.do === "state") end.state = each.value;
    else if (each.do === "interrupt")
      await Promise.race([end.interrupt(), session.runFor(each.ns)]);
    else {
      end.ring(0, each.peer);
      // rung before it is ready, it says nothing
      await Promise.race([session.waitForLine(/IRQ/), session.runFor(2_000_000)]);
    }
    const states = [1, 2].map((peer) => end.remoteState(peer));
    session.print(`${each.do}: states ${states}, ${end.input(1).text()}`);
  }
}

async function play(script: NonNullable<Scenario["script"]>) {
  const lines: string[] = [];
  const writer = new RecordingWriter((line) => lines.push(line));
  const loaded = await loadScenario({ ...scenario, script }, () => Promise.reject(new Error()));
  const session = new Session(loaded, { record: (action) => writer.add(action) });
  const report = await session.play();
  writer.flush();
  return { report, recording: lines.join("") };
}

it("whatever a script does, a replay does it at the same moments", async () => {
  const program = fc.array(step, { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(program, program, async (left, right) => {
      const first = await play(async (session) => {
        await Promise.all([follow(session, left), follow(session, right)]);
      });
      const actions = decodeRecording(first.recording, "first");
      expect(await play((session) => replay(session, actions))).toEqual(first);
    }),
    { numRuns: 8 },
  );
});

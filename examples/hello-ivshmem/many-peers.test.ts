/** A link with as many ends as there can be: 63 cells with the image of hello-ivshmem, and root. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  type CellConfig,
  cell,
  com1,
  commRegion,
  KiB,
  loadScenario,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
  Session,
  type SystemConfig,
  uart8250,
} from "../../src/session/index.ts";

const image = new Uint8Array(readFileSync(join(import.meta.dirname, "hello-ivshmem.bin")));
const { inmates } = q35MemoryMap(14);
const READY = 1;

function linkOf(peers: number): OwnLink {
  return {
    at: "01:10.0",
    base: inmates,
    commonBytes: 4 * KiB,
    outputBytes: 4 * KiB,
    peers,
    vectors: 1,
  };
}

/** A cell with a CPU of its own for each end but root's. */
function cellOf(link: OwnLink, id: number): CellConfig {
  const end = ownLinkEnd(link, id);
  return cell({
    name: `end-${id}`,
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

function systemOf(link: OwnLink): SystemConfig {
  const system = q35(14, [link]);
  const cpus = Array.from({ length: link.peers }, (_, cpu) => cpu);
  return { ...system, rootCell: { ...system.rootCell, cpus } };
}

it.each([16, 64])("%i ends: each cell answers root, and sees the states of all", async (peers) => {
  const link = linkOf(peers);
  const ids = Array.from({ length: peers - 1 }, (_, index) => index + 1);
  const loaded = await loadScenario(
    {
      system: systemOf(link),
      cells: ids.map((id) => ({ config: cellOf(link, id), load: [{ image }] })),
      script: async (session) => {
        const root = session.openLink();
        for (const id of ids) await root.waitForState(READY, id);
        expect(root.peers.map(({ id }) => id)).toEqual(ids);
        // each new state interrupts those that are ready, and they answer that, too
        await session.runFor(50_000_000);
        root.takeInterrupts();
        for (const id of ids) {
          root.ring(0, id);
          expect(await root.interrupt()).toMatchObject({ vector: 0, count: 1 });
          expect(root.input(id).text()).toBe("Hello From IVSHMEM ");
        }
      },
    },
    () => Promise.reject(new Error("no files")),
  );
  const report = await new Session(loaded).play();
  expect(report.ended).toBe("script");
  for (const [index, { console }] of report.cells.entries())
    expect(console).toContain(`device 01:10.0, end ${ids[index]} of ${peers}\nWait IRQ\n`);
});

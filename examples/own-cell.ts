/**
 * A cell written by hand: one CPU, one MiB, COM2 only. The image is told where its console is, and
 * the run ends with the first line that matches.
 *
 *     ./gaoler run examples/own-cell.ts
 */
import {
  cell,
  com2,
  commRegion,
  defineScenario,
  MiB,
  q35,
  q35MemoryMap,
  ram,
  uart8250,
} from "gaoler";

const revision = 14;

export default defineScenario({
  system: q35(revision),
  cells: [
    {
      config: cell({
        name: "mine",
        revision,
        cpus: [1],
        memory: [
          ram({ phys: q35MemoryMap(revision).otherDemos, virt: 0, sizeBytes: MiB }),
          commRegion({ virt: 0x10_0000 }),
        ],
        ports: [com2],
        passiveCommRegion: true,
        console: uart8250(com2),
      }),
      load: [{ image: "../inmates/tiny-demo/tiny-demo.bin" }],
    },
  ],
  until: /PM Timer/,
});

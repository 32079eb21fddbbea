/**
 * A cell with two CPUs, for the tests of the inmate library. Command line for all checks:
 * `text=longer negative=-12 hex=0x1234AbCdEf bad=1x flag off=false on=1`
 */
import {
  cell,
  com1,
  commRegion,
  MiB,
  q35MemoryMap,
  ram,
  uart8250,
} from "../../src/config/index.ts";

export default cell({
  name: "library-test",
  cpus: [1, 2],
  memory: [
    ram({ phys: q35MemoryMap(14).otherDemos, virt: 0, sizeBytes: MiB }),
    commRegion({ virt: 0x10_0000 }),
  ],
  ports: [com1],
  passiveCommRegion: true,
  virtualConsolePermitted: true,
  console: uart8250(com1),
});

/** The two cells of the example: each has a CPU and an Ethernet controller of its own. */
import {
  type CellConfig,
  capability,
  cell,
  com1,
  commRegion,
  KiB,
  MiB,
  mmio,
  q35MemoryMap,
  ram,
  uart8250,
} from "gaoler";

const { inmates } = q35MemoryMap(14);

interface Place {
  readonly name: string;
  readonly cpu: number;
  /** Of the controller. */
  readonly at: string;
  readonly registers: number;
}

function ethernetCell({ name, cpu, at, registers }: Place): CellConfig {
  return cell({
    name,
    cpus: [cpu],
    memory: [
      // what the controller reads and writes by itself must be flagged DMA
      ram({ phys: inmates + cpu * MiB, virt: 0, sizeBytes: MiB, dma: true }),
      commRegion({ virt: MiB }),
      mmio({ phys: registers, sizeBytes: 128 * KiB }),
    ],
    ports: [com1],
    pciDevices: [
      { at, capabilities: [capability(0x05, 0xd0, 0xe)], numMsiVectors: 1, msi64bits: true },
    ],
    passiveCommRegion: true,
    console: uart8250(com1),
  });
}

/** Answers. */
export default ethernetCell({ name: "ethernet", cpu: 1, at: "00:19.0", registers: 0xfebc_0000 });
/** Asks. */
export const pinging = ethernetCell({
  name: "ping",
  cpu: 2,
  at: "00:1a.0",
  registers: 0xfebe_0000,
});

/** The plant's partition of the q35 board: three cells of one CPU, and the bus that joins them and root. */
import {
  type CellConfig,
  cell,
  com1,
  commRegion,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
  type SystemConfig,
  uart8250,
} from "../config/index.ts";
import { BUS_END, type Controller } from "./signals.ts";

const REVISION = 14;
const { inmates } = q35MemoryMap(REVISION);

/** Bytes that each end alone may write. */
const OUTPUT_BYTES = 128 * 1024;

/** At the start of the inmates' memory; the cells' RAM follows, from the next MiB on. */
export const BUS = {
  at: "01:10.0",
  base: inmates,
  outputBytes: OUTPUT_BYTES,
  peers: Object.keys(BUS_END).length,
  vectors: 1,
} as const satisfies OwnLink;

export const plantSystem = (): SystemConfig => q35(REVISION, [BUS]);

/** CPU, and MiB of the inmates' memory, by the number of its end. */
export function plantCell(name: Controller): CellConfig {
  const end = BUS_END[name];
  const bus = ownLinkEnd(BUS, end);
  return cell({
    name,
    revision: REVISION,
    cpus: [end],
    memory: [
      ...bus.regions,
      ram({ phys: inmates + end * MiB, virt: 0, sizeBytes: MiB }),
      commRegion({ virt: 0x10_0000 }),
    ],
    pciDevices: [bus.device],
    ports: [com1],
    console: uart8250(com1),
  });
}

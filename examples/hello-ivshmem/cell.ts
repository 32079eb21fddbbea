/** The cell of hello-ivshmem, and the link that it has with the root cell. */
import {
  cell,
  com1,
  commRegion,
  KiB,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35MemoryMap,
  ram,
  uart8250,
} from "gaoler";

const { inmates } = q35MemoryMap(14);

/** A page of states, then a page that only the root cell writes, then one that only this cell writes. */
export const link: OwnLink = {
  at: "01:10.0",
  base: inmates + MiB,
  outputBytes: 4 * KiB,
  peers: 2,
  vectors: 1,
};

const end = ownLinkEnd(link, 1);

export default cell({
  name: "hello-ivshmem",
  cpus: [1],
  memory: [
    // the device wants its regions to stand together, in this order
    ...end.regions,
    ram({ phys: inmates, virt: 0, sizeBytes: MiB }),
    commRegion({ virt: 0x10_0000 }),
  ],
  ports: [com1],
  pciDevices: [end.device],
  // it takes no part in shutdown messages
  passiveCommRegion: true,
  console: uart8250(com1),
});

/** The ends of one link through shared memory. Cells with a device at the same PCI address are linked. */
import type { IvshmemDevice } from "./device.ts";

export class IvshmemLink {
  readonly bdf: number;
  /** A page of hypervisor memory that the link takes. */
  readonly page: number;
  /** By id; undefined: nobody is connected there. */
  readonly ends: (IvshmemDevice | undefined)[];

  constructor(bdf: number, page: number, maximumEnds: number) {
    this.bdf = bdf;
    this.page = page;
    this.ends = Array.from({ length: maximumEnds }, () => undefined);
  }

  /** Connected now, by id. */
  get connected(): readonly IvshmemDevice[] {
    return this.ends.filter((end) => end !== undefined);
  }
}

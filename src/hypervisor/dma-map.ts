/** What the devices of a cell reach of memory: the cell's regions with the DMA flag, where it has them now. */
import type { MapRegion, MemoryMap } from "../engine/vcpu.ts";
import type { Cell } from "./cell.ts";

export class DmaMap implements MemoryMap {
  readonly #cell: Cell;

  constructor(cell: Cell) {
    this.#cell = cell;
  }

  find(address: number): MapRegion | undefined {
    const mapping = this.#cell.map.lookup(address);
    if (mapping?.backing !== "ram") return undefined;
    for (const { flags, virtual, size } of this.#cell.regions) {
      if (!flags.dma || address < virtual || address >= virtual + size) continue;
      const guest = Math.max(mapping.guest, virtual);
      const end = Math.min(mapping.guest + mapping.size, virtual + size);
      const host = mapping.host + guest - mapping.guest;
      return { guest, size: end - guest, host, rights: mapping.rights };
    }
    return undefined;
  }
}

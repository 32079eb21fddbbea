/** Memory as a PCI function reaches it on its own: through the IOMMU, in RAM only. */

import type { GuestMemory } from "../../engine/guest-memory.ts";
import { type MapRegion, READ, type Vcpu, WRITE } from "../../engine/vcpu.ts";
import type { Iommu } from "../iommu.ts";
import type { Bdf } from "../pci-host.ts";

export class Dma {
  readonly #bdf: Bdf;
  readonly #iommu: Iommu;
  readonly #memory: GuestMemory;
  readonly #vcpus: readonly Vcpu[];

  constructor(bdf: Bdf, iommu: Iommu, memory: GuestMemory, vcpus: readonly Vcpu[]) {
    this.#bdf = bdf;
    this.#iommu = iommu;
    this.#memory = memory;
    this.#vcpus = vcpus;
  }

  /**
   * Fill the first `size` bytes of `target`.
   * @returns false, with what lies before it read, at the first byte that the function may not read
   */
  read(address: number, target: Uint8Array, size = target.length): boolean {
    let done = 0;
    while (done < size) {
      const region = this.#find(address + done, READ);
      if (region === undefined) return false;
      const inside = address + done - region.guest;
      const length = Math.min(size - done, region.size - inside);
      const host = region.host + inside;
      target.set(this.#memory.u8.subarray(host, host + length), done);
      done += length;
    }
    return true;
  }

  /** The opposite direction. @returns false at the first byte that the function may not write */
  write(address: number, source: Uint8Array, size = source.length): boolean {
    let done = 0;
    while (done < size) {
      const region = this.#find(address + done, WRITE);
      if (region === undefined) return false;
      const inside = address + done - region.guest;
      const length = Math.min(size - done, region.size - inside);
      const host = region.host + inside;
      this.#memory.u8.set(source.subarray(done, done + length), host);
      for (const vcpu of this.#vcpus) vcpu.memoryChanged(host, length);
      done += length;
    }
    return true;
  }

  #find(address: number, right: number): MapRegion | undefined {
    const region = this.#iommu.mapOf(this.#bdf)?.find(address);
    return region !== undefined && (region.rights & right) !== 0 ? region : undefined;
  }
}

/**
 * What PCI functions reach of memory. While translation is off, all RAM at its own address; while it
 * is on, to each requester its own address space, as the second-level tables of VT-d give it, and
 * nothing to functions without one.
 */

import type { MemoryMap } from "../engine/vcpu.ts";
import type { Bdf } from "./pci-host.ts";

export class Iommu {
  readonly #physical: MemoryMap;
  readonly #maps = new Map<Bdf, MemoryMap>();
  #translates = false;

  /** @param physical all RAM at its own address */
  constructor(physical: MemoryMap) {
    this.#physical = physical;
  }

  enable(): void {
    this.#translates = true;
  }

  /** The maps are gone. */
  disable(): void {
    this.#translates = false;
    this.#maps.clear();
  }

  /** From now on a function's addresses are looked up in `map`. */
  assign(bdf: Bdf, map: MemoryMap): void {
    this.#maps.set(bdf, map);
  }

  release(bdf: Bdf): void {
    this.#maps.delete(bdf);
  }

  mapOf(bdf: Bdf): MemoryMap | undefined {
    return this.#translates ? this.#maps.get(bdf) : this.#physical;
  }
}

/**
 * A cell's guest-physical space: sorted, disjoint runs of pages. It is what
 * the second-level page tables (EPT) would hold: mapping a range that is
 * already mapped replaces it, unmapping a hole does nothing.
 */
import type { MapRegion, MemoryMap } from "../engine/vcpu.ts";

export const PAGE_SIZE = 4096;

/** What stands behind a mapped range. */
export type Backing =
  /** RAM of the machine, contiguous. */
  | "ram"
  /** Device memory (or nothing at all) at that physical address: accesses go to the memory bus. */
  | "device"
  /** Every page is the same physical page: how root sees the hypervisor's memory. */
  | "repeated-page";

export interface Mapping extends MapRegion {
  readonly backing: Backing;
}

/** An address range in bytes, any alignment. */
export interface Range {
  readonly start: number;
  readonly size: number;
}

export class CellMemoryMap implements MemoryMap {
  readonly #ramBytes: number;
  #mappings: Mapping[] = [];
  #last: Mapping | undefined;

  /** @param ramBytes size of the machine's RAM, which starts at physical 0 */
  constructor(ramBytes: number) {
    this.#ramBytes = ramBytes;
  }

  /** All mappings in ascending order. */
  get mappings(): readonly Mapping[] {
    return this.#mappings;
  }

  /** Any mapping, device memory included. */
  lookup(address: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.guest && address - last.guest < last.size)
      return last;
    let low = 0;
    let high = this.#mappings.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const mapping = this.#mappings[middle];
      if (address < mapping.guest) high = middle - 1;
      else if (address - mapping.guest >= mapping.size) low = middle + 1;
      else {
        this.#last = mapping;
        return mapping;
      }
    }
    return undefined;
  }

  find(address: number): MapRegion | undefined {
    const mapping = this.lookup(address);
    if (mapping === undefined || mapping.backing === "device") return undefined;
    if (mapping.backing === "ram") return mapping;
    const guest = address - (address % PAGE_SIZE);
    return { guest, size: PAGE_SIZE, host: mapping.host, rights: mapping.rights };
  }

  /** Maps pages to a physical range; what lies beyond RAM is device memory. All multiples of 4096. */
  map(guest: number, size: number, host: number, rights: number): void {
    const inRam = Math.min(size, Math.max(0, this.#ramBytes - host));
    if (inRam > 0) this.#insert({ guest, size: inRam, host, rights, backing: "ram" });
    if (inRam < size)
      this.#insert({
        guest: guest + inRam,
        size: size - inRam,
        host: host + inRam,
        rights,
        backing: "device",
      });
  }

  /** Maps every page of a range to one physical page. */
  mapRepeated(guest: number, size: number, page: number, rights: number): void {
    this.#insert({ guest, size, host: page, rights, backing: "repeated-page" });
  }

  unmap(guest: number, size: number): void {
    if (size > 0) this.#cut(guest, size);
  }

  /** Unmaps every page that the range touches. */
  exclude(range: Range): void {
    const start = range.start - (range.start % PAGE_SIZE);
    const end = Math.ceil((range.start + range.size) / PAGE_SIZE) * PAGE_SIZE;
    this.unmap(start, end - start);
  }

  clear(): void {
    this.#mappings = [];
    this.#last = undefined;
  }

  #insert(mapping: Mapping): void {
    const at = this.#cut(mapping.guest, mapping.size);
    this.#mappings.splice(at, 0, mapping);
  }

  /** Removes a range and returns the index where a mapping of it would stand. */
  #cut(guest: number, size: number): number {
    this.#last = undefined;
    const end = guest + size;
    const below: Mapping[] = [];
    const above: Mapping[] = [];
    for (const mapping of this.#mappings) {
      const mappingEnd = mapping.guest + mapping.size;
      if (mapping.guest < guest)
        below.push(
          mappingEnd <= guest ? mapping : slice(mapping, mapping.guest, guest - mapping.guest),
        );
      if (mappingEnd > end)
        above.push(mapping.guest >= end ? mapping : slice(mapping, end, mappingEnd - end));
    }
    this.#mappings = [...below, ...above];
    return below.length;
  }
}

function slice(mapping: Mapping, guest: number, size: number): Mapping {
  const offset = mapping.backing === "repeated-page" ? 0 : guest - mapping.guest;
  return { ...mapping, guest, size, host: mapping.host + offset };
}

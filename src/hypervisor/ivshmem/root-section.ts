/** A part of a link's memory as the root cell sees it. */

import { EXECUTE, READ, WRITE } from "../../engine/vcpu.ts";
import type { Core } from "../core.ts";
import { hex } from "../errno.ts";
import type { Region } from "../regions.ts";

/**
 * - `shared`: version 1, all of the link's memory, which both ends may write;
 * - `state-table`: version 2, the ends' states, 32 bits each, by id; written by the devices;
 * - `common`: version 2, what every end may write;
 * - `output`: version 2, what one end may write and all may read.
 */
export type SectionKind = "shared" | "state-table" | "common" | "output";

export class RootSection {
  readonly kind: SectionKind;
  /** The end that an output section belongs to, else undefined. */
  readonly owner: number | undefined;
  /** Host-physical start, bytes. */
  readonly physical: number;
  /** Bytes, not 0. */
  readonly size: number;
  /** What root's configuration grants. */
  readonly readable: boolean;
  readonly writable: boolean;
  /**
   * Exactly the section, live. An access through it is root's own and so must be one that
   * {@link refusal} has nothing against; after a write {@link written} is to be called.
   */
  readonly view: DataView;
  readonly #core: Core;
  /** Where root sees it. */
  readonly #guest: number;
  readonly #subPage: boolean;

  /** @param region of the root cell, in RAM */
  constructor(core: Core, region: Region, kind: SectionKind, owner?: number) {
    const { physical, virtual, size, rights, subPage } = region;
    const bytes = core.board.memory.bytes(physical, size);
    this.#core = core;
    this.#guest = virtual;
    this.#subPage = subPage;
    this.kind = kind;
    this.owner = owner;
    this.physical = physical;
    this.size = size;
    this.readable = (rights & READ) !== 0;
    this.writable = (rights & WRITE) !== 0;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, size);
  }

  /**
   * Why a root guest could not make this access: undefined if it could. What a cell has taken away,
   * because its configuration lists the memory without ROOTSHARED, root does not reach.
   * @param offset bytes from the start of the section
   */
  refusal(direction: "read" | "write", offset: number, size: number): string | undefined {
    const because = (rule: string) =>
      `${direction} of ${size} bytes at ${hex(offset)} of the ${this.kind} section: ${rule}`;
    if (!(offset >= 0 && size >= 0 && offset + size <= this.size))
      return because(`it has ${hex(this.size)} bytes`);
    if (!(direction === "read" ? this.readable : this.writable))
      return because(
        `root's configuration does not grant ${direction === "read" ? "READ" : "WRITE"}`,
      );
    const missing = this.#unmapped(this.#guest + offset, size);
    return missing === undefined
      ? undefined
      : because(
          `${hex(missing)} is not mapped in the root cell; a cell lists it without ROOTSHARED`,
        );
  }

  /** Bytes of the view were written: code that a cell may have there is decoded anew. */
  written(offset: number, size: number): void {
    const start = this.physical + offset;
    const { cells, board } = this.#core;
    const mayBeCode = cells.some(({ regions }) =>
      regions.some(
        (region) =>
          (region.rights & EXECUTE) !== 0 &&
          region.physical < start + size &&
          start < region.physical + region.size,
      ),
    );
    if (mayBeCode) for (const vcpu of board.vcpus) vcpu.memoryChanged(start, size);
  }

  /** First address of a range that root has not; sub-page regions are never in its map. */
  #unmapped(start: number, size: number): number | undefined {
    const { map, mmio } = this.#core.root;
    if (this.#subPage) return mmio.find(this.#guest, this.size) === undefined ? start : undefined;
    for (let address = start; address < start + size; ) {
      const mapping = map.lookup(address);
      if (mapping === undefined) return address;
      address = mapping.guest + mapping.size;
    }
    return undefined;
  }
}

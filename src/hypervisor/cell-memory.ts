/** Memory that changes hands between root and a cell. */

import type { Board } from "../machine/board.ts";
import type { Cell } from "./cell.ts";
import { PAGE_SIZE } from "./memory-map.ts";
import type { Region } from "./regions.ts";
import { SubPageRegion } from "./sub-page.ts";

/** Puts a region into the cell that owns it. */
export function mapRegion(board: Board, cell: Cell, region: Region): void {
  const { virtual, size, rights } = region;
  if (size === 0) return;
  if (region.flags.commRegion) cell.map.map(pageOf(virtual), PAGE_SIZE, cell.comm.page, rights);
  else if (region.subPage) cell.mmio.register(new SubPageRegion(board, region));
  else cell.map.map(virtual, size, pageOf(region.physical), rights);
}

/** Takes a region of a new cell from root, which sees all memory at its physical address. */
export function takeFromRoot(root: Cell, region: Region): void {
  if (!staysInRoot(region)) unmapFromRoot(root, region);
}

/** What was mapped into root, or was root's, no longer is. */
export function unmapFromRoot(root: Cell, region: Region): void {
  if (!region.subPage) {
    root.map.unmap(pageOf(region.physical), region.size);
    return;
  }
  for (const handler of [...root.mmio.handlers])
    if (handler instanceof SubPageRegion && handler.region.physical === region.physical)
      root.mmio.unregister(handler);
}

/** Gives root back what its own configuration says it had of a region, with root's rights. */
export function giveBackToRoot(board: Board, root: Cell, region: Region): void {
  if (!staysInRoot(region)) mapIntoRoot(board, root, region);
}

/** The parts of a region that overlap root's configured memory, mapped as root had them. */
export function mapIntoRoot(board: Board, root: Cell, region: Region): void {
  for (const part of rootParts(root, region))
    if (part.subPage) root.mmio.register(new SubPageRegion(board, part));
    else root.map.map(part.virtual, part.size, part.physical, part.rights);
}

function staysInRoot({ flags, size }: Region): boolean {
  return flags.commRegion || flags.rootShared || size === 0;
}

function rootParts(root: Cell, region: Region): Region[] {
  return root.regions.flatMap((owned) => {
    if (owned.flags.commRegion) return [];
    const start = Math.max(owned.physical, region.physical);
    const end = Math.min(owned.physical + owned.size, region.physical + region.size);
    if (start >= end) return [];
    const virtual = owned.virtual + start - owned.physical;
    const size = end - start;
    const subPage = virtual % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0;
    return [{ ...owned, physical: start, virtual, size, subPage }];
  });
}

function pageOf(address: number): number {
  return address - (address % PAGE_SIZE);
}

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

/** What a region has in common with root's configured memory, mapped as root had it. */
export function mapIntoRoot(board: Board, root: Cell, region: Region): void {
  for (const owned of root.regions) {
    if (owned.flags.commRegion || owned.subPage !== region.subPage) continue;
    if (region.subPage) returnSubPage(board, root, owned, region);
    else mapOverlap(root, owned, region);
  }
}

function returnSubPage(board: Board, root: Cell, owned: Region, region: Region): void {
  const missing = root.mmio.handlers.every(
    (handler) => !(handler instanceof SubPageRegion && handler.region === owned),
  );
  if (owned.physical === region.physical && missing)
    root.mmio.register(new SubPageRegion(board, owned));
}

function mapOverlap(root: Cell, owned: Region, region: Region): void {
  const ownedStart = pageOf(owned.physical);
  const regionStart = pageOf(region.physical);
  const start = Math.max(ownedStart, regionStart);
  const end = Math.min(ownedStart + owned.size, regionStart + region.size);
  if (start < end)
    root.map.map(owned.virtual + start - ownedStart, end - start, start, owned.rights);
}

function staysInRoot({ flags, size }: Region): boolean {
  return flags.commRegion || flags.rootShared || size === 0;
}

function pageOf(address: number): number {
  return address - (address % PAGE_SIZE);
}

import { type MapRegion, READ, WRITE } from "../vcpu.ts";
import { CR0_PG, CR0_WP, EFER_NXE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { holdsCode, PHYSICAL_ADDRESS_BITS } from "./paging.ts";
import { CR0, CR3, EFER } from "./state.ts";
import { SUPERVISOR_SMAP, USER } from "./tlb.ts";

/** A run does not reach farther than that to either side of where it was wanted. */
const REACH_LIMIT = 256 * 1024 ** 2;

const PRESENT = 1;
const WRITABLE = 2;
const USER_PAGE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const ENTRY_BYTES = 8;
const UPPER_ADDRESS_BITS = PHYSICAL_ADDRESS_BITS - 32;

/** What {@link findPage} found. */
const page = { linear: 0, bytes: 0, host: 0 };

/** A run that a window could be: linear addresses and what takes them to linear memory. */
export interface Run {
  readonly from: number;
  readonly to: number;
  readonly addend: number;
}

/** The run around a linear address, undefined: there is none. Paging structures are only read. */
export function runAround(
  core: Core,
  set: number,
  linear: number,
  writes: boolean,
): Run | undefined {
  lastRegion = undefined;
  if (!findPage(core, set, linear, writes)) return undefined;
  const addend = page.host - page.linear;
  const start = Math.floor(linear / 4096) * 4096;
  if (writes && holdsCode(core, start + addend)) return undefined;
  const from = extend(core, set, writes, addend, start, linear - REACH_LIMIT, -1);
  const to = extend(core, set, writes, addend, start + 4096, linear + REACH_LIMIT, 1);
  return { from, to, addend };
}

/** How far the run goes from a page's edge. @param step 1: upwards, -1: downwards */
function extend(
  core: Core,
  set: number,
  writes: boolean,
  addend: number,
  from: number,
  limit: number,
  step: 1 | -1,
): number {
  const isBefore = (a: number, b: number): boolean => (step > 0 ? a < b : a > b);
  let edge = from;
  while (isBefore(edge, limit)) {
    if (!findPage(core, set, step > 0 ? edge : edge - 4096, writes)) break;
    if (page.host - page.linear !== addend) break;
    const end = step > 0 ? page.linear + page.bytes : page.linear;
    if (!writes) edge = end;
    for (; isBefore(edge, end); edge += step * 4096)
      if (holdsCode(core, (step > 0 ? edge : edge - 4096) + addend)) return edge;
  }
  return edge;
}

/** Where paging structures and pages were found last: mostly the same region. */
let lastRegion: MapRegion | undefined;

function regionOf(core: Core, physical: number): MapRegion | undefined {
  const last = lastRegion;
  if (last === undefined || physical < last.guest || physical - last.guest >= last.size)
    lastRegion = core.map.find(physical);
  return lastRegion;
}

/**
 * The part of a page around a linear address that is RAM for reading, or writing as well, and needs
 * no bit of the paging structures set for it: without paging, and with that of 64-bit mode.
 */
function findPage(core: Core, set: number, linear: number, writes: boolean): boolean {
  if (!(core.get(CR0) & CR0_PG))
    return linear >= 0 && linear < 2 ** 32 && inMap(core, linear, 0, 0, 2 ** 32, writes);
  if (!core.isLong || linear < -0x8000_0000_0000 || linear >= 0x8000_0000_0000) return false;
  const forbids = (core.get(EFER) & EFER_NXE) === 0;
  let table = (core.get(CR3 + 4) & 0xff) * 2 ** 32 + ((core.get(CR3) & 0xffff_f000) >>> 0);
  let rights = WRITABLE | USER_PAGE;
  for (let level = 4; level > 0; level--) {
    const size = 4096 * 512 ** (level - 1);
    const entry = table + (Math.floor(linear / size) & 511) * ENTRY_BYTES;
    const region = regionOf(core, entry);
    if (region === undefined) return false;
    const at = core.memory.ramOffset + region.host + (entry - region.guest);
    const low = core.linearView.getUint32(at, true);
    const high = core.linearView.getUint32(at + 4, true);
    if (!(low & PRESENT) || (high & 0x000f_ffff) >>> UPPER_ADDRESS_BITS !== 0) return false;
    if (forbids && high & 0x8000_0000) return false;
    rights &= low;
    const next = (high & 0xff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0);
    if (level > 1 && !(low & LARGE)) {
      if (!(low & ACCESSED)) return false;
      table = next;
      continue;
    }
    // bits of an address below the page's size are reserved, but for the PAT bit
    if (level === 4 || (level > 1 && next % size >= 0x2000)) return false;
    if (!(low & ACCESSED) || (writes && !(low & DIRTY))) return false;
    if (!grants(core, set, rights, writes)) return false;
    const start = Math.floor(linear / size) * size;
    // so that INVLPG forgets all of it
    if (level > 1) core.tlb.noteLargePage(linear, size);
    return inMap(core, linear, start, next - (next % size), size, writes);
  }
  return false;
}

function grants(core: Core, set: number, rights: number, writes: boolean): boolean {
  const isWritable = !writes || (rights & WRITABLE) !== 0;
  if (set === USER) return (rights & USER_PAGE) !== 0 && isWritable;
  if (set === SUPERVISOR_SMAP && rights & USER_PAGE) return false;
  return isWritable || (core.get(CR0) & CR0_WP) === 0;
}

/** Cut a page down to the region of the cell's map that holds an address of it. */
function inMap(
  core: Core,
  linear: number,
  start: number,
  physical: number,
  bytes: number,
  writes: boolean,
): boolean {
  const region = regionOf(core, physical + (linear - start));
  const needed = writes ? READ | WRITE : READ;
  if (region === undefined || (region.rights & needed) !== needed) return false;
  const from = Math.max(physical, region.guest);
  const to = Math.min(physical + bytes, region.guest + region.size);
  page.linear = start + (from - physical);
  page.bytes = to - from;
  page.host = core.memory.ramOffset + region.host + (from - region.guest);
  return true;
}

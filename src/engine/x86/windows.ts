import { type MapRegion, READ, WRITE } from "../vcpu.ts";
import { CR0_PG, CR0_WP, EFER_NXE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { holdsCode, PHYSICAL_ADDRESS_BITS } from "./paging.ts";
import {
  CR0,
  CR3,
  EFER,
  READ_WINDOW,
  TLB_SET_COUNT,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_HOST,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "./state.ts";
import { SUPERVISOR_SMAP, USER } from "./tlb.ts";

/** An access of so many bytes must end in the window that it begins in. */
export const WIDEST_ACCESS = 16;
/** A window does not reach farther than that to either side of where it was wanted. */
const REACH_LIMIT = 256 * 1024 ** 2;
/** A window is given up for another run if that is so much larger, or if so many others had no place. */
const ADVANTAGE = 2;
const PATIENCE = 64;

const PRESENT = 1;
const WRITABLE = 2;
const USER_PAGE = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const ENTRY_BYTES = 8;
const UPPER_ADDRESS_BITS = PHYSICAL_ADDRESS_BITS - 32;

/** V8 folds no imported constants. */
const REACH = WINDOW_REACH;
const FIRST = WINDOWS;
const BYTES = WINDOW_BYTES;
const SET_BYTES = WINDOW_SET_BYTES;
const COUNT = WINDOW_COUNT;
const FOR_READING = READ_WINDOW;

/** What {@link findPage} found. */
const page = { linear: 0, bytes: 0, host: 0 };

/** What a window was found to be. */
export interface WindowPlace {
  /** First linear address; from there on, of how many bytes an access may begin. */
  readonly base: number;
  readonly reach: number;
  /** Its byte in linear memory, 32 bits. */
  readonly host: number;
}

/** A run that a window could be: linear addresses and what takes them to linear memory. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly addend: number;
}

/**
 * Runs of linear addresses that one constant takes to linear memory: compiled code does an access
 * within one after a single comparison. All of its pages are present, may be read by those whose TLB
 * set it belongs to, are accessed already, and lie one after another in RAM; where it is also for
 * writing they may be written, are dirty already, and hold no decoded code. So it is what a TLB might
 * know as well, with entries of any size, and is forgotten when that has to be.
 */
export class Windows {
  private readonly core: Core;
  /** How many runs had no place since a window was moved. */
  private refused = 0;
  /** The window that is given up when too many had none. */
  private next = 0;

  constructor(core: Core) {
    this.core = core;
  }

  private address(set: number, window: number): number {
    return FIRST + set * SET_BYTES + window * BYTES;
  }

  /** Bytes that a window spans; 0: there is none. */
  bytes(set: number, window: number): number {
    const reach = this.core.address(this.address(set, window) + REACH);
    return reach === 0 ? 0 : reach + WIDEST_ACCESS - 1;
  }

  /** The window that has a linear address, -1: none. */
  find(set: number, linear: number, writes: boolean): number {
    const count = writes ? FOR_READING : COUNT;
    for (let window = 0; window < count; window++) {
      const at = this.address(set, window);
      const distance = linear - this.core.address(at + WINDOW_BASE);
      if (distance >= 0 && distance < this.core.address(at + REACH)) return window;
    }
    return -1;
  }

  placeOf(set: number, window: number): WindowPlace {
    const { core } = this;
    const at = this.address(set, window);
    return {
      base: core.address(at + WINDOW_BASE),
      reach: core.address(at + REACH),
      host: core.get(at + WINDOW_HOST) >>> 0,
    };
  }

  /** Whether a window still has all of what it was found to be. */
  covers(set: number, window: number, { base, reach, host }: WindowPlace): boolean {
    if (reach === 0) return true;
    const now = this.placeOf(set, window);
    const distance = base - now.base;
    return (
      distance >= 0 && distance + reach <= now.reach && ((now.host + distance) | 0) === (host | 0)
    );
  }

  clear(): void {
    for (let set = 0; set < TLB_SET_COUNT; set++)
      for (let window = 0; window < COUNT; window++)
        this.core.setAddress(this.address(set, window) + REACH, 0);
  }

  /** INVLPG: forget what a window knows of 4 KiB. */
  forgetPage(linear: number): void {
    const page = Math.floor(linear / 4096) * 4096;
    for (let set = 0; set < TLB_SET_COUNT; set++)
      for (let window = 0; window < COUNT; window++) {
        const at = this.address(set, window);
        if (!this.isEmpty(at)) this.cut(at, page - this.core.address(at + WINDOW_BASE));
      }
  }

  /** A page of RAM now holds decoded code: stores to it must be seen. @param host its first byte in linear memory */
  watchWrites(host: number): void {
    for (let set = 0; set < TLB_SET_COUNT; set++)
      for (let window = 0; window < FOR_READING; window++) {
        const at = this.address(set, window);
        if (!this.isEmpty(at)) this.cut(at, host - (this.core.get(at + WINDOW_HOST) >>> 0));
      }
  }

  /** INVLPG comes here often, mostly to find nothing. */
  private isEmpty(at: number): boolean {
    const { i32 } = this.core;
    const word = (at + REACH) >> 2;
    return i32[word] === 0 && i32[word + 1] === 0;
  }

  /** Keep the larger part of a window without the page so many bytes behind its beginning, if it has that. */
  private cut(at: number, before: number): void {
    const { core } = this;
    const bytes = core.address(at + WINDOW_REACH) + WIDEST_ACCESS - 1;
    const behind = bytes - before - 4096;
    if (before <= -4096 || behind <= -4096) return;
    const isFirstKept = before >= behind;
    const skipped = isFirstKept ? 0 : before + 4096;
    this.set(
      at,
      core.address(at + WINDOW_BASE) + skipped,
      isFirstKept ? before : behind,
      core.get(at + WINDOW_HOST) + skipped,
    );
  }

  private set(at: number, linear: number, bytes: number, host: number): void {
    const { core } = this;
    core.setAddress(at + WINDOW_BASE, linear);
    core.setAddress(at + WINDOW_REACH, Math.max(0, bytes - WIDEST_ACCESS + 1));
    core.set(at + WINDOW_HOST, host);
  }

  /**
   * Have a window that has a linear address, if there is a run around it: one that is empty, or has
   * part of that run, otherwise one for the sake of which another is given up. What is only read may be in
   * a window for stores, too: the one for loads alone is for what must not be there. Paging structures
   * are only read.
   *
   * @param isGuess nothing is given up for it
   * @returns the window, -1: none has the address
   */
  include(set: number, linear: number, writes: boolean, isGuess = false): number {
    const known = this.find(set, linear, writes);
    if (known >= 0 || this.core.watching) return known;
    lastRegion = undefined;
    const run = this.runAround(set, linear, true);
    if (run !== undefined) this.place(set, run, 0, FOR_READING, isGuess);
    else if (!writes) {
      const readable = this.runAround(set, linear, false);
      if (readable !== undefined) this.place(set, readable, FOR_READING, COUNT, isGuess);
    }
    return this.find(set, linear, writes);
  }

  /**
   * Let a window be the run that it was found to be once, if that still is one: by this CPU, which may have
   * had none there, or another one.
   */
  adopt(set: number, window: number, place: WindowPlace): void {
    if (this.core.watching) return;
    lastRegion = undefined;
    const run = this.runAround(set, place.base, window !== FOR_READING);
    if (run !== undefined)
      this.set(this.address(set, window), run.from, run.to - run.from, run.from + run.addend);
  }

  private runAround(set: number, linear: number, writes: boolean): Run | undefined {
    const { core } = this;
    if (!findPage(core, set, linear, writes)) return undefined;
    const addend = page.host - page.linear;
    const start = Math.floor(linear / 4096) * 4096;
    if (writes && holdsCode(core, start + addend)) return undefined;
    const from = this.extend(set, writes, addend, start, linear - REACH_LIMIT, -1);
    const to = this.extend(set, writes, addend, start + 4096, linear + REACH_LIMIT, 1);
    return { from, to, addend };
  }

  /** Let a run be one of some windows, if any is to be had. */
  private place(
    set: number,
    { from, to, addend }: Run,
    first: number,
    end: number,
    isGuess: boolean,
  ): void {
    const { core } = this;
    let smallest = first;
    let place = -1;
    for (let window = first; window < end; window++) {
      const at = this.address(set, window);
      const base = core.address(at + WINDOW_BASE);
      const isPart =
        base >= from && base < to && core.get(at + WINDOW_HOST) === ((base + addend) | 0);
      if (isPart || (place < 0 && this.isEmpty(at))) place = window;
      if (isPart) break;
      if (this.bytes(set, window) < this.bytes(set, smallest)) smallest = window;
    }
    if (place < 0 && !isGuess) {
      if (to - from >= ADVANTAGE * this.bytes(set, smallest)) place = smallest;
      else if (++this.refused >= PATIENCE) {
        place = first + (this.next % (end - first));
        this.next = (this.next + 1) % COUNT;
      }
    }
    if (place < 0) return;
    this.refused = 0;
    this.set(this.address(set, place), from, to - from, from + addend);
  }

  /** How far the run goes from a page's edge. @param step 1: upwards, -1: downwards */
  private extend(
    set: number,
    writes: boolean,
    addend: number,
    from: number,
    limit: number,
    step: 1 | -1,
  ): number {
    const { core } = this;
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

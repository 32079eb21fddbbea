import type { Core } from "./core.ts";
import {
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
import { type Run, runAround } from "./window-run.ts";

/** An access of so many bytes must end in the window that it begins in. */
export const WIDEST_ACCESS = 16;
/** A window is given up for another run if that is so much larger, or if so many others had no place. */
const ADVANTAGE = 2;
const PATIENCE = 64;

/** V8 folds no imported constants. */
const REACH = WINDOW_REACH;
const FIRST = WINDOWS;
const BYTES = WINDOW_BYTES;
const SET_BYTES = WINDOW_SET_BYTES;
const COUNT = WINDOW_COUNT;
const FOR_READING = READ_WINDOW;

/** What a window was found to be. */
export interface WindowPlace {
  /** First linear address; from there on, of how many bytes an access may begin. */
  readonly base: number;
  readonly reach: number;
  /** Its byte in linear memory, 32 bits. */
  readonly host: number;
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
    const { core } = this;
    const known = this.find(set, linear, writes);
    if (known >= 0 || core.watching) return known;
    const run = runAround(core, set, linear, true);
    if (run !== undefined) this.place(set, run, 0, FOR_READING, isGuess);
    else if (!writes) {
      const readable = runAround(core, set, linear, false);
      if (readable !== undefined) this.place(set, readable, FOR_READING, COUNT, isGuess);
    }
    return this.find(set, linear, writes);
  }

  /**
   * Let a window be the run that it was found to be once, if that still is one: by this CPU, which may have
   * had none there, or another one.
   */
  adopt(set: number, window: number, place: WindowPlace): void {
    const { core } = this;
    if (core.watching) return;
    const run = runAround(core, set, place.base, window !== FOR_READING);
    if (run !== undefined)
      this.set(this.address(set, window), run.from, run.to - run.from, run.from + run.addend);
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
}

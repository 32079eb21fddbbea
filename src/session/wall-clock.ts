import { SLICE_NS } from "./slice.ts";

/** The host's time: for pacing, and for letting the host do other things meanwhile. Injected. */
export interface WallClock {
  /** Milliseconds from any starting point. */
  nowMs(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** Of Node and of browsers alike. */
export const HOST_CLOCK: WallClock = {
  nowMs: () => performance.now(),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** Longest time without a look at the host's events (keys, signals). */
const PATIENCE_MS = 50;

/** Parts of a slice of virtual time between two looks at the clock: as long as takes the host some milliseconds. */
const SHORTEST_PART_NS = 20_000;
const QUICK_MS = 5;
const SLOW_MS = 20;

/** Keeps a run responsive; with `realtime`, keeps it from running ahead of the wall clock. */
export class Pace {
  readonly #clock: WallClock;
  readonly #realtime: boolean;
  #lastPauseMs: number;
  #lastLookMs: number;
  /** Virtual nanoseconds until the next look. Only when the host has its turn depends on it. */
  partNs = SHORTEST_PART_NS;
  /** Where virtual and wall time were equal. */
  #originMs: number;
  #originNs: number;

  constructor(clock: WallClock, realtime: boolean, virtualNs: number) {
    this.#clock = clock;
    this.#realtime = realtime;
    this.#lastLookMs = this.#lastPauseMs = this.#originMs = clock.nowMs();
    this.#originNs = virtualNs;
  }

  /** Call between slices, and parts of them: undefined, or a wait to be awaited before the next one. */
  wait(virtualNs: number): Promise<void> | undefined {
    const nowMs = this.#clock.nowMs();
    const tookMs = nowMs - this.#lastLookMs;
    if (tookMs > SLOW_MS) this.partNs = Math.max(SHORTEST_PART_NS, this.partNs / 2);
    else if (tookMs < QUICK_MS) this.partNs = Math.min(SLICE_NS, this.partNs * 2);
    this.#lastLookMs = nowMs;
    const aheadMs = (virtualNs - this.#originNs) / 1e6 - (nowMs - this.#originMs);
    if (this.#realtime && aheadMs < -1000) {
      // the host was too slow, or asleep: what is lost is not caught up with
      this.#originMs = nowMs;
      this.#originNs = virtualNs;
    }
    const ahead = this.#realtime && aheadMs >= 1;
    if (!ahead && nowMs - this.#lastPauseMs < PATIENCE_MS) return undefined;
    this.#lastPauseMs = this.#lastLookMs = nowMs + (ahead ? aheadMs : 0);
    return this.#clock.sleep(ahead ? aheadMs : 0);
  }
}

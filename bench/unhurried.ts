import type { WallClock } from "../src/session/wall-clock.ts";

/** Lets the host's timers fire between slices, without waiting for anything. */
export const UNHURRIED: WallClock = {
  nowMs: () => performance.now(),
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
};

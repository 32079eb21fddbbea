/**
 * Virtual nanoseconds between two looks at whether a run has ended. A fixed grid: where a run ends
 * does not depend on the host.
 */
export const SLICE_NS = 1_000_000;

/** End of the slice that a moment is in. */
export const sliceEnd = (nowNs: number): number => (Math.floor(nowNs / SLICE_NS) + 1) * SLICE_NS;

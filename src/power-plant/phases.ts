/** What the operator does, and when: start, synchronise, load step, trip. */
import type { Orders } from "./signals.ts";

export interface Phase {
  /** Since the plant was started, seconds. */
  readonly atS: number;
  readonly name: string;
  /** What is ordered, beside what was before. */
  readonly orders: Partial<Orders>;
}

/** Before anything is ordered: the set soaks, the station is fed by the grid. */
export const INITIAL_ORDERS: Orders = {
  run: 0,
  synchronise: 0,
  load_reference: 0,
  station_load: 0.4,
  grid_tie: 1,
  trip: 0,
};

export const PHASES: readonly Phase[] = [
  { atS: 0, name: "soak at 1000 r/min", orders: {} },
  { atS: 0.5, name: "start", orders: { run: 1 } },
  { atS: 8.5, name: "synchronise", orders: { synchronise: 1, load_reference: 0.4 } },
  { atS: 16, name: "leave the grid", orders: { grid_tie: 0 } },
  { atS: 17, name: "load step +15 %", orders: { station_load: 0.55 } },
  { atS: 20.5, name: "trip", orders: { trip: 1 } },
];

export const END_S = 22.5;

/** The phase at a time. */
export const phaseAt = (timeS: number, phases: readonly Phase[] = PHASES): Phase =>
  phases.findLast(({ atS }) => atS <= timeS) ?? phases[0];

/** The power plant as a scenario: its cells, and an operator who follows the phases. */
import type { File, Scenario, ScenarioCell } from "../session/scenario.ts";
import type { Session } from "../session/session.ts";
import { BUS, plantCell, plantSystem } from "./cells.ts";
import { ControlRoom } from "./control-room.ts";
import { END_S, INITIAL_ORDERS, PHASES, type Phase } from "./phases.ts";
import type { Controller, Sample } from "./signals.ts";

/** As often as the controllers work. */
const SAMPLE_NS = 1e6;

/** Built in on purpose. `sse`: the generator's controller does not enable SSE. */
export const FAULTS = ["sse"] as const;
export type Fault = (typeof FAULTS)[number];

/** Told of what happens, in the order in which it does. */
export interface Spectator {
  phase(phase: Phase): void;
  /**
   * Every millisecond of virtual time.
   * @param failed names of cells that broke a rule
   */
  sample(sample: Sample, failed: readonly string[]): void;
}

/** @param image the binary of a controller */
export function powerPlant(
  image: (name: Controller) => File,
  spectator: Spectator,
  fault?: Fault,
): Scenario {
  const boot = (name: Controller): ScenarioCell => ({
    config: plantCell(name),
    load: [
      { image: image(name) },
      ...(name === "generator" && fault === "sse" ? [{ commandLine: "sse=0" }] : []),
    ],
  });
  return {
    system: plantSystem(),
    cells: [boot("plant"), boot("turbine"), boot("generator")],
    script: (session) => operate(session, spectator),
  };
}

async function operate(session: Session, spectator: Spectator): Promise<void> {
  const startNs = session.nowNs;
  const room = new ControlRoom(session.openLink(BUS.at), INITIAL_ORDERS);
  const waiting = [...PHASES];
  for (let elapsedNs = 0; elapsedNs <= END_S * 1e9; elapsedNs += SAMPLE_NS) {
    await session.runFor(startNs + elapsedNs - session.nowNs);
    spectator.sample(room.sample(elapsedNs / 1e9), failedCells(session));
    while (waiting.length > 0 && waiting[0].atS * 1e9 <= elapsedNs) {
      const phase = waiting.shift() as Phase;
      spectator.phase(phase);
      room.order(phase.orders);
    }
  }
}

const failedCells = ({ hypervisor }: Session): string[] =>
  hypervisor.cells.filter(({ cpus }) => cpus.some((cpu) => cpu.failed)).map(({ name }) => name);

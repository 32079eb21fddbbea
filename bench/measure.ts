/** Measures workloads on peers, in turns, so that a busy moment of the host meets all of them. */
import type { Peer, PeerName, Rounds } from "./peers.ts";
import type { ProcessMeasurement } from "./process.ts";
import { median } from "./statistics.ts";
import type { Measurement } from "./transcript.ts";
import type { Workload } from "./workloads.ts";

export interface Plan {
  /** Measurements of each peer; their median counts. */
  readonly turns: number;
  /** What one measurement should last. */
  readonly milliseconds: number;
  /** Before that at most, whatever a peer needs to be as fast as it gets. */
  readonly warmUpLimitMs: number;
  /** Of whole processes; all do what lasts this long on the reference. */
  readonly processes: { readonly turns: number; readonly milliseconds: number };
}

export const THOROUGH: Plan = {
  turns: 5,
  milliseconds: 200,
  warmUpLimitMs: 1000,
  processes: { turns: 3, milliseconds: 1000 },
};
/** By processor time, which is counted in steps of some milliseconds. */
export const COARSE: Plan = {
  turns: 3,
  milliseconds: 500,
  warmUpLimitMs: 1000,
  processes: { turns: 2, milliseconds: 1000 },
};
export const BRIEF: Plan = {
  turns: 1,
  milliseconds: 60,
  warmUpLimitMs: 60,
  processes: { turns: 0, milliseconds: 0 },
};

/** Whose speed says how much work the processes get, if it takes part; else the first peer's. */
const REFERENCE: PeerName = "QEMU TCG";
/** Of what is wanted: a shorter measurement says little about a longer one. */
const TELLING = 0.5;

export interface Figure {
  /** Of one round, or of one operation of a system workload: median. */
  readonly nanoseconds: number;
  readonly samples: readonly number[];
  /** Rounds in each measurement. */
  readonly rounds: number;
  /** Of processor time; only where the instructions are counted. */
  readonly instructionsPerSecond: number | undefined;
}

/** Of processes of their own, which all do the same work. Medians. */
export interface ProcessFigure {
  readonly milliseconds: number;
  readonly samples: readonly number[];
  readonly rounds: number;
  /** How much longer its rounds took than as many at the steady rate. */
  readonly warmUpMilliseconds: number;
  readonly firstRoundMilliseconds: number;
  /** The largest resident set of all. */
  readonly peakBytes: number | undefined;
}

export interface Row {
  readonly workload: Workload;
  readonly figures: ReadonlyMap<PeerName, Figure>;
  readonly processes: ReadonlyMap<PeerName, ProcessFigure>;
  readonly checksums: ReadonlyMap<PeerName, string>;
  /** What went wrong, a sentence each. */
  readonly problems: readonly string[];
}

interface Runs {
  readonly rounds: Rounds;
  readonly measurements: Measurement[];
  readonly processes: ProcessMeasurement[];
}

/** Runs one workload everywhere it can run. */
export async function measure(
  workload: Workload,
  peers: readonly Peer[],
  plan: Plan,
): Promise<Row> {
  const problems: string[] = [];
  const runs = new Map<Peer, Runs>();
  const attempt = async (peer: Peer, action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      problems.push(`${workload.name} on ${peer.name}: ${(error as Error).message}`);
      runs.delete(peer);
    }
  };
  for (const peer of peers)
    if (peer.offers.includes(workload.needs))
      await attempt(peer, async () => {
        const rounds = await roundsFor(plan, peer, workload);
        runs.set(peer, { rounds, measurements: [], processes: [] });
      });
  const reference = [...runs].find(([{ name }]) => name === REFERENCE) ?? [...runs][0];
  const processRounds = Math.ceil(
    ((reference?.[1].rounds.rounds ?? 1) * plan.processes.milliseconds) / plan.milliseconds,
  );
  for (let turn = 0; turn < Math.max(plan.turns, plan.processes.turns); turn++)
    for (const [peer, { rounds, measurements, processes }] of [...runs])
      await attempt(peer, async () => {
        if (turn < plan.turns) measurements.push(await peer.run(workload, rounds));
        if (turn < plan.processes.turns && peer.runProcess)
          processes.push(await peer.runProcess(workload, { warm: 0, rounds: processRounds }));
      });
  const figures = new Map<PeerName, Figure>();
  const processes = new Map<PeerName, ProcessFigure>();
  const checksums = new Map<PeerName, string>();
  for (const [{ name }, run] of runs) {
    const figure = figureOf(workload, run.rounds.rounds, run.measurements);
    figures.set(name, figure);
    if (run.processes.length > 0)
      processes.set(
        name,
        processFigure(
          run.processes,
          processRounds,
          (figure.nanoseconds * workload.operations) / 1e6,
        ),
      );
    for (const { checksum } of [...run.measurements, ...run.processes]) {
      const [[first, expected] = [name, checksum]] = checksums;
      checksums.set(name, checksum);
      if (checksum !== expected)
        problems.push(`${workload.name}: ${name} has ${checksum}, ${first} has ${expected}`);
    }
  }
  return { workload, figures, processes, checksums, problems: [...new Set(problems)] };
}

/** How many rounds last about as long as wanted, once the peer is as fast as it gets. */
async function roundsFor(plan: Plan, peer: Peer, workload: Workload): Promise<Rounds> {
  const warmUpMs = Math.min(peer.warmUpMs, plan.warmUpLimitMs);
  for (let warm = 1, rounds = 1; ; ) {
    const { milliseconds, fromTheStart } = await peer.run(workload, { warm, rounds });
    const warmedUpMs = fromTheStart - milliseconds;
    const long = milliseconds >= plan.milliseconds * TELLING;
    if (long && warmedUpMs >= warmUpMs) {
      const factor = plan.milliseconds / Math.max(milliseconds, 0.01);
      return { warm, rounds: Math.max(1, Math.round(rounds * factor)) };
    }
    if (!long) rounds = Math.ceil(rounds * growth(milliseconds, plan.milliseconds));
    if (warmedUpMs < warmUpMs) warm = Math.ceil(warm * growth(warmedUpMs, warmUpMs));
  }
}

/** Not all at once: the first rounds are slower than the others. */
const growth = (had: number, wanted: number): number =>
  Math.min(100, Math.max(2, wanted / Math.max(had, 0.01) / 2));

function figureOf(
  { operations }: Workload,
  rounds: number,
  measurements: readonly Measurement[],
): Figure {
  const samples = measurements.map(
    ({ milliseconds }) => (milliseconds * 1e6) / rounds / operations,
  );
  const rates = measurements.flatMap(({ instructionsPerSecond: rate }) => rate ?? []);
  return {
    nanoseconds: median(samples),
    samples,
    rounds,
    instructionsPerSecond: rates.length > 0 ? median(rates) : undefined,
  };
}

function processFigure(
  measurements: readonly ProcessMeasurement[],
  rounds: number,
  steadyRoundMs: number,
): ProcessFigure {
  const samples = measurements.map(({ wholeMilliseconds }) => wholeMilliseconds);
  const peaks = measurements.flatMap(({ peakBytes }) => peakBytes ?? []);
  return {
    milliseconds: median(samples),
    samples,
    rounds,
    warmUpMilliseconds: median(
      measurements.map(({ fromTheStart }) => fromTheStart - (rounds + 1) * steadyRoundMs),
    ),
    firstRoundMilliseconds: median(measurements.map(({ firstRound }) => firstRound)),
    peakBytes: peaks.length > 0 ? Math.max(...peaks) : undefined,
  };
}

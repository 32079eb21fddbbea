/** Measures workloads on peers, in turns, so that a busy moment of the host meets all of them. */
import type { Peer } from "./peers.ts";
import type { Measurement } from "./transcript.ts";
import { OPERATIONS, type Workload } from "./workloads.ts";

export interface Plan {
  /** Measurements of each peer; their median counts. */
  readonly turns: number;
  /** What one measurement should last. */
  readonly milliseconds: number;
}

export const THOROUGH: Plan = { turns: 3, milliseconds: 400 };
export const BRIEF: Plan = { turns: 1, milliseconds: 60 };

/** Shorter measurements say nothing about how long a longer one lasts. */
const TELLING_MS = 20;

export interface Figure {
  /** Of one round, or of one operation of a system workload: median. */
  readonly nanoseconds: number;
  readonly samples: readonly number[];
  /** Rounds in each measurement. */
  readonly rounds: number;
  /** Of processor time; only where the instructions are counted. */
  readonly instructionsPerSecond: number | undefined;
}

export interface Row {
  readonly workload: Workload;
  /** By the name of the peer. */
  readonly figures: ReadonlyMap<Peer["name"], Figure>;
  readonly checksums: ReadonlyMap<Peer["name"], string>;
  /** What went wrong, a sentence each. */
  readonly problems: readonly string[];
}

/** Runs one workload everywhere it can run. */
export async function measure(
  workload: Workload,
  peers: readonly Peer[],
  plan: Plan,
): Promise<Row> {
  const problems: string[] = [];
  const runs = new Map<Peer, { rounds: number; measurements: Measurement[] }>();
  const attempt = async (peer: Peer, action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      problems.push(`${workload.name} on ${peer.name}: ${(error as Error).message}`);
      runs.delete(peer);
    }
  };
  for (const peer of peers)
    if (peer.kinds.includes(workload.kind))
      await attempt(peer, async () => {
        const rounds = await roundsFor(plan.milliseconds, peer, workload);
        runs.set(peer, { rounds, measurements: [] });
      });
  for (let turn = 0; turn < plan.turns; turn++)
    for (const [peer, { rounds, measurements }] of [...runs])
      await attempt(peer, async () => {
        measurements.push(await peer.run(workload, rounds));
      });
  const checksums = new Map<Peer["name"], string>();
  for (const [{ name }, { measurements }] of runs)
    for (const { checksum } of measurements) {
      const [first] = checksums;
      if (first !== undefined && first[1] !== checksum)
        problems.push(`${workload.name}: ${name} has ${checksum}, ${first[0]} has ${first[1]}`);
      if (!checksums.has(name)) checksums.set(name, checksum);
    }
  const figures = new Map(
    [...runs].map(([{ name }, { rounds, measurements }]) => [
      name,
      figure(workload, rounds, measurements),
    ]),
  );
  return { workload, figures, checksums, problems };
}

/** How many rounds last about as long as wanted. */
async function roundsFor(wantedMs: number, peer: Peer, workload: Workload): Promise<number> {
  for (let rounds = 1; ; ) {
    const { milliseconds } = await peer.run(workload, rounds);
    const factor = wantedMs / Math.max(milliseconds, 0.01);
    if (milliseconds >= TELLING_MS) return Math.max(1, Math.round(rounds * factor));
    // not all at once: the first rounds are slower than the others
    rounds = Math.ceil(rounds * Math.min(100, Math.max(2, factor / 4)));
  }
}

function figure(workload: Workload, rounds: number, measurements: readonly Measurement[]): Figure {
  const units = workload.kind === "system" ? rounds * OPERATIONS : rounds;
  const sorted = [...measurements].sort((a, b) => a.milliseconds - b.milliseconds);
  const { milliseconds, instructionsPerSecond } = sorted[sorted.length >> 1];
  return {
    nanoseconds: (milliseconds * 1e6) / units,
    samples: measurements.map((one) => (one.milliseconds * 1e6) / units),
    rounds,
    instructionsPerSecond,
  };
}

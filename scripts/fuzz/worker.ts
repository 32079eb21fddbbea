/** One fuzzing target in a thread of its own. */
import { parentPort, workerData } from "node:worker_threads";

export interface Task {
  readonly target: "code" | "config" | "elf" | "channels" | "tiers";
  readonly seed: number;
  /** Number of the first run. */
  readonly first: number;
  readonly runs: number;
  readonly milliseconds: number;
}

export interface Progress {
  readonly done: number;
  /** How the runs ended. */
  readonly summary: string;
  readonly finished: boolean;
}

/** What a target module exports. */
export interface Target {
  /** One run. @returns in a word how it ended; @throws whatever went wrong */
  run(seed: number, number: number): string;
  /** Now and then, and at the end: what must hold over all runs. @throws if it does not */
  verify?(): void;
}

/** Runs of some targets take microseconds, of others half a second. */
const REPORT_EVERY = 1000;
const REPORT_AFTER_MS = 2000;

const task = workerData as Task;
const target: Target = (await import(`./${task.target}.ts`)).target;
const endings = new Map<string, number>();
const deadline = performance.now() + task.milliseconds;
let done = 0;
let reported = performance.now();

const report = (finished: boolean) => {
  target.verify?.();
  const summary = [...endings].map(([ending, count]) => `${count} ${ending}`).join(", ");
  parentPort?.postMessage({ done, summary, finished } satisfies Progress);
};

while (done < task.runs && performance.now() < deadline) {
  const number = task.first + done;
  try {
    const ending = target.run(task.seed, number);
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
  } catch (error) {
    throw new Error(
      `in run ${number} (npm run fuzz -- ${task.target} --seed ${task.seed} --first ${number} --runs 1)`,
      { cause: error },
    );
  }
  const isDue = performance.now() - reported > REPORT_AFTER_MS;
  if (++done % REPORT_EVERY !== 0 && !isDue) continue;
  report(false);
  reported = performance.now();
}
report(true);

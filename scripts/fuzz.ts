/**
 * Fuzzing: `npm run fuzz -- [TARGET ...] [--seconds S | --runs N] [--seed N]`.
 * Without a target all of them, each for its share of the time. Each target runs in a worker that
 * must keep reporting: one that falls silent has hung. A failure names the run, which is repeated by
 * `--seed SEED --first RUN --runs 1`.
 */
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";
import { commandLine, wrongUsage } from "./command-line.ts";
import type { Progress, Task } from "./fuzz/worker.ts";

const TARGETS = ["code", "config", "elf", "channels", "tiers"] as const;
/** No run takes longer than some tens of milliseconds; reports come every thousand. */
const SILENCE_MS = 60_000;

const { values, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    runs: { type: "string" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
  },
});
const targets = positionals.length > 0 ? positionals : [...TARGETS];
const seconds = Number(
  values.seconds ?? (values.runs === undefined ? 60 : Number.POSITIVE_INFINITY),
);

for (const target of targets) {
  if (!(TARGETS as readonly string[]).includes(target))
    wrongUsage(import.meta.filename, `there is no target "${target}": ${TARGETS.join(", ")}`);
  const ok = await fuzz({
    target: target as (typeof TARGETS)[number],
    seed: Number(values.seed),
    first: Number(values.first),
    runs: Number(values.runs ?? Number.POSITIVE_INFINITY),
    milliseconds: (seconds * 1000) / targets.length,
  });
  if (!ok) process.exitCode = 1;
}

function fuzz(task: Task): Promise<boolean> {
  const worker = new Worker(new URL("./fuzz/worker.ts", import.meta.url), { workerData: task });
  let last: Progress = { done: 0, summary: "", finished: false };
  const started = performance.now();
  return new Promise((resolve) => {
    const end = (ok: boolean, text: string) => {
      clearTimeout(silence);
      worker.terminate();
      console.log(`${task.target}: ${text}`);
      resolve(ok);
    };
    const expectNews = () =>
      setTimeout(
        () =>
          end(
            false,
            `HANG after run ${task.first + last.done} (--seed ${task.seed} --first ${task.first + last.done})`,
          ),
        SILENCE_MS,
      );
    let silence = expectNews();
    worker.on("message", (progress: Progress) => {
      last = progress;
      clearTimeout(silence);
      if (!progress.finished) {
        silence = expectNews();
        return;
      }
      const seconds = (performance.now() - started) / 1000;
      end(true, `${progress.done} runs in ${seconds.toFixed(1)} s, all well: ${progress.summary}`);
    });
    worker.on("error", (error) => end(false, `FAILED ${inspect(error)}`));
  });
}

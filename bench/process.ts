/** A workload in a process of its own: its lines, how long all of it took, how much memory it had. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Measurement, Transcript } from "./transcript.ts";

export interface ProcessMeasurement extends Measurement {
  /** From its start to its end, start-up included. */
  readonly wholeMilliseconds: number;
  /** Largest resident set; undefined where the host does not say. */
  readonly peakBytes: number | undefined;
}

const LOOK_MS = 20;

/** @throws Error if the workload does not come to its end */
export function runProcess(
  workload: string,
  command: string,
  args: readonly string[],
  patienceMs: number,
): Promise<ProcessMeasurement> {
  const transcript = new Transcript(workload, () => ({
    milliseconds: performance.now(),
    work: undefined,
  }));
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: patienceMs,
    });
    let peakBytes: number | undefined;
    let end = start;
    const look = setInterval(() => {
      peakBytes = peakOf(child.pid) ?? peakBytes;
    }, LOOK_MS);
    child.stdout.on("data", (bytes: Uint8Array) => {
      for (const byte of bytes) transcript.put(byte);
    });
    child.on("error", (error) => {
      clearInterval(look);
      reject(error);
    });
    child.on("exit", () => {
      end = performance.now();
      clearInterval(look);
    });
    child.on("close", (status, signal) => {
      try {
        const ended = `ended with ${signal ?? `status ${status}`}`;
        const measurement = transcript.measurement(ended);
        resolve({ ...measurement, wholeMilliseconds: end - start, peakBytes });
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** Linux keeps the peak, so that looking now and then is enough. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const [, kib] = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

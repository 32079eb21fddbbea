/** A workload in a process of its own: its lines, how long all of it took, how much memory it had. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type ClockName, processorTimeOf, WALL } from "./clock.ts";
import { type Measurement, Transcript } from "./transcript.ts";

export interface ProcessMeasurement extends Measurement {
  /** From its start to its end, start-up included; of processor time to its last line. */
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
  by: ClockName,
): Promise<ProcessMeasurement> {
  const start = WALL();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: patienceMs,
    });
    const sinceStart = () =>
      by === "wall" ? WALL() - start : processorTimeOf(child.pid ?? process.pid);
    let newest = 0;
    const transcript = new Transcript(workload, () => {
      newest = sinceStart();
      return { milliseconds: newest, work: undefined };
    });
    let peakBytes: number | undefined;
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
      if (by === "wall") newest = sinceStart();
      clearInterval(look);
    });
    child.on("close", (status, signal) => {
      try {
        const ended = `ended with ${signal ?? `status ${status}`}`;
        const measurement = transcript.measurement(ended);
        resolve({ ...measurement, wholeMilliseconds: newest, peakBytes });
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

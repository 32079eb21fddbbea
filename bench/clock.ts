/** What times are taken by. */
import { readFileSync } from "node:fs";

/**
 * - `wall`: what a person waits for.
 * - `processor`: what a process spent on all its threads. It says more on a machine that is busy with
 *   other things, and nothing about a peer that sleeps.
 */
export type ClockName = "wall" | "processor";

/** Milliseconds; only differences count. */
export type Clock = () => number;

export const WALL: Clock = () => performance.now();

/** Of this process, all threads. */
export const PROCESSOR: Clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export const clockHere = (name: ClockName): Clock => (name === "wall" ? WALL : PROCESSOR);

/** Linux gives processor times to others in this unit. */
export const TICK_MS = 10;
/** Fields of /proc/PID/stat behind the name, which may hold anything. */
const [USER, SYSTEM] = [11, 12];

/**
 * What a child of this process spent so far, threads that are gone included; until Node has taken notice
 * of its end. In steps of {@link TICK_MS}.
 * @throws Error if it is gone
 */
export function processorTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER]) + Number(fields[SYSTEM])) * TICK_MS;
}

/** What a run came to, as plain data. */
import type { InspectedInstruction } from "../engine/x86/inspect.ts";
import type { RegisterReport } from "./registers.ts";

/**
 * - `time`: the virtual time asked for has passed.
 * - `line`: a console line matched.
 * - `cells`: every CPU of every cell is halted for good, shut down or failed, or nothing can ever happen.
 * - `script`: the scenario's own script came to its end.
 * - `power`: a guest had the machine reset or switched off.
 * - `interrupted`: from outside.
 */
export type Ending = "power" | "time" | "line" | "cells" | "script" | "interrupted";

export interface SessionReport {
  readonly ended: Ending;
  /** Nanoseconds since power-on. */
  readonly virtualNs: number;
  /** Guest instructions retired, by all CPUs. */
  readonly instructions: number;
  /** What the hypervisor printed. */
  readonly console: string;
  /** What the program at root printed. */
  readonly printed: string;
  /** Without the root cell. */
  readonly cells: readonly CellReport[];
}

export interface CellReport {
  readonly id: number;
  readonly name: string;
  /** As `jailhouse cell list` calls it. */
  readonly state: string;
  readonly console: string;
  readonly cpus: readonly CpuReport[];
  /** Exits of all its CPUs by reason, under the names of sysfs. */
  readonly statistics: Readonly<Record<string, number>>;
}

export interface CpuReport {
  readonly index: number;
  /** `halted`: waits for an interrupt. `parked`: waits for a start. `failed`: broke a rule and was parked. */
  readonly state: "running" | "halted" | "parked" | "suspended" | "failed";
  readonly instructions: number;
  readonly failure?: FailureReport;
}

/** Of a failed CPU. */
export interface FailureReport {
  /** What the hypervisor printed. */
  readonly report: readonly string[];
  /** As it failed. */
  readonly registers: RegisterReport;
  /** At RIP, if it can be read there. */
  readonly instruction?: InspectedInstruction;
  /** After a triple fault: how it came to that, for people. */
  readonly cause?: string;
}

/** Disable: the machine goes on without a hypervisor (hypervisor interface, 5.7). */

import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { resume, suspend } from "./cpu-control.ts";
import { ERRNO } from "./errno.ts";
import { handBack, releaseCpu } from "./hand-back.ts";

/** The DISABLE calls of root's CPUs on their way. */
export interface DisableRound {
  /** What the first of them decided: 0 or a negative error. */
  readonly result: number;
  readonly arrived: Set<Cpu>;
}

/** Whether a CPU of root has called DISABLE and is held until the others have. */
export function waitsToLeave({ disableRound }: Core, cpu: Cpu): boolean {
  return disableRound?.result === 0 && disableRound.arrived.has(cpu);
}

/**
 * DISABLE from a root guest: every CPU of root that runs a guest must call.
 * @returns the result, or undefined for a CPU that waits for the others
 */
export function disableFromGuest(core: Core, cpu: Cpu): number | undefined {
  const callers = core.root.cpus.filter(({ waitsForSipi }) => !waitsForSipi);
  core.disableRound ??= {
    result: core.cells.length === 1 ? 0 : -ERRNO.EBUSY,
    arrived: new Set(),
  };
  const { result, arrived } = core.disableRound;
  arrived.add(cpu);
  const isLast = callers.every((each) => arrived.has(each));
  if (isLast) core.disableRound = undefined;
  if (result !== 0) return result;

  if (!core.release.disableWaitsForAll) {
    if (arrived.size === 1) shutDown(core);
    release(core, cpu);
    if (isLast) finish(core, callers);
    return 0;
  }
  if (!isLast) {
    suspend(core, cpu);
    return undefined;
  }
  shutDown(core);
  for (const each of arrived) {
    release(core, each);
    if (each === cpu) continue;
    each.returnFromCall(0);
    resume(core, each);
  }
  finish(core, callers);
  return 0;
}

/** DISABLE by whoever runs the system, on all CPUs of root at once. Only root may be left. */
export function disableAll(core: Core): void {
  shutDown(core);
  for (const cpu of core.root.cpus) release(core, cpu);
  finish(core, []);
}

function shutDown({ console }: Core): void {
  console.print("Shutting down hypervisor");
}

/** The CPU goes on natively: all of the machine is its own again. */
function release(core: Core, cpu: Cpu): void {
  core.console.print(` Releasing CPU ${cpu.index}`);
  releaseCpu(core, cpu);
}

/** CPUs that had no guest to issue the call are released with the others. */
function finish(core: Core, released: readonly Cpu[]): void {
  for (const cpu of core.root.cpus) if (!released.includes(cpu)) releaseCpu(core, cpu);
  core.enabled = false;
  handBack(core);
}

/** A guest broke the rules: its CPU is parked and reported, nobody else is disturbed (hypervisor interface, 5.9). */
import type { Undelivered } from "../engine/vcpu.ts";
import { CELL_STATE } from "./comm-region.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { parkFailed } from "./cpu-control.ts";
import { registerLines, type UnhandledExit, unhandledExitLines } from "./failure-report.ts";
import type { Violation } from "./mmio-dispatch.ts";

/** What is kept of a failed CPU. Its vCPU stays in the state in which it failed until it is started again. */
export interface Failure {
  readonly cpu: number;
  readonly cell: string;
  /** Virtual time in nanoseconds. */
  readonly time: number;
  /** The report as printed, without line feeds. */
  readonly lines: readonly string[];
  /** What a triple fault began with. */
  readonly event?: Undelivered;
}

/** @param violation FATAL lines, separated by line feeds */
export function fail(core: Core, cpu: Cpu, violation: Violation, event?: Undelivered): void {
  const { cell } = cpu;
  const lines = [
    ...violation.split("\n"),
    ...registerLines(cpu.vcpu.registers),
    `Parking CPU ${cpu.index} (Cell: "${cell.name}")`,
  ];
  for (const line of lines) core.console.print(line);
  const time = core.board.clock.now;
  const failure = { cpu: cpu.index, cell: cell.name, time, lines, ...(event && { event }) };
  core.failures.push(failure);
  parkFailed(core, cpu);
  if (cell.cpus.every(({ failed }) => failed)) cell.comm.state = CELL_STATE.failed;
  core.options.failed?.(failure);
}

/** An exit that no part of the hypervisor handles. */
export function failUnhandled(
  core: Core,
  cpu: Cpu,
  exit: UnhandledExit,
  event?: Undelivered,
): void {
  fail(core, cpu, unhandledExitLines(exit).join("\n"), event);
}

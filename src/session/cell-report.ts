import type { GuestMemory } from "../engine/guest-memory.ts";
import { instructionAtRip } from "../engine/x86/inspect.ts";
import type { Cell } from "../hypervisor/cell.ts";
import type { Cpu } from "../hypervisor/cpu.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import { tripleFaultCause } from "./failure-cause.ts";
import { registerReport } from "./registers.ts";
import type { CellReport, CpuReport } from "./report.ts";

const RFLAGS_IF = 1n << 9n;

/** @param console what the cell printed */
export function cellReport(
  hypervisor: Hypervisor,
  memory: GuestMemory,
  cell: Cell,
  console: string,
): CellReport {
  return {
    id: cell.id,
    name: cell.name,
    state: cell.stateName,
    console,
    cpus: cell.cpus.map((cpu) => cpuReport(hypervisor, memory, cpu)),
    statistics: hypervisor.statistics(cell),
  };
}

function cpuReport(hypervisor: Hypervisor, memory: GuestMemory, cpu: Cpu): CpuReport {
  const { index, vcpu } = cpu;
  const report = { index, state: cpuState(cpu), instructions: vcpu.retired };
  const failure = hypervisor.failureOf(cpu);
  if (failure === undefined) return report;
  const instruction = instructionAtRip(vcpu, memory);
  return {
    ...report,
    failure: {
      report: failure.lines,
      registers: registerReport(vcpu.registers),
      ...(instruction && { instruction }),
      ...(failure.event && { cause: tripleFaultCause(vcpu, memory, failure.event) }),
    },
  };
}

function cpuState(cpu: Cpu): CpuReport["state"] {
  if (cpu.failed) return "failed";
  if (cpu.waitsForSipi) return "parked";
  if (cpu.suspended) return "suspended";
  return cpu.vcpu.halted ? "halted" : "running";
}

/** Whether a CPU can never run again by itself or by a device: only a start or an IPI could wake it. */
export function isAtRest(cpu: Cpu): boolean {
  if (cpu.failed || cpu.waitsForSipi) return true;
  return cpu.vcpu.halted && (cpu.vcpu.registers.get("rflags") & RFLAGS_IF) === 0n;
}

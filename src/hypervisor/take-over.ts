/** The moment at which the machine passes to the hypervisor. */
import type { Registers } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { Core } from "./core.ts";
import { park } from "./cpu-control.ts";
import { failUnhandled } from "./failure.ts";
import { CellModerator } from "./moderator.ts";

/** Whether a hypervisor is enabled: it moderates what comes over the APIC bus. */
export function isTakenOver(board: Board): boolean {
  return board.apicBus.signals !== board.bareCpus;
}

/**
 * The hypervisor does not touch the FPU (6.1), so a cell finds it as the root operating system
 * left it: initialised, everything masked, stack empty.
 */
function leaveFpuAsRootDid(registers: Registers): void {
  registers.fcw = 0x37f;
  registers.fsw = 0;
  registers.ftw = 0xffff;
  registers.mxcsr = 0x1f80;
}

/** From here on every exit comes to the moderator, and every CPU is parked until it is started. */
export function takeOver(core: Core): void {
  const { board } = core;
  const moderator = new CellModerator(core);
  for (const cpu of core.cpus) {
    cpu.vcpu.moderator = moderator;
    leaveFpuAsRootDid(cpu.vcpu.registers);
    park(core, cpu);
  }
  board.iommu.enable();
  // what comes over the bus beside interrupts is not for guests: INIT and SIPI are
  // emulated where they are sent, and the NMI is the hypervisor's own
  board.apicBus.signals = {
    nmi() {},
    init() {},
    sipi() {},
    wake: (index) => board.scheduler.wake(index),
  };
  board.onStop = (index, stop) => {
    const cpu = core.cpus[index];
    if (stop.kind === "triple-fault") failUnhandled(core, cpu, "triple-fault", stop.event);
    else if (cpu.initPending) park(core, cpu);
    return !cpu.suspended && !cpu.waitsForSipi;
  };
}

/** The machine passes from the hypervisor back to itself. */
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";

/** One CPU goes on natively, in the state it is in. */
export function releaseCpu({ board }: Core, { vcpu }: Cpu): void {
  vcpu.moderator = board.bareModerator;
  vcpu.map = board.ramMap;
  vcpu.mapChanged();
}

/** After the last CPU. */
export function handBack({ board }: Core): void {
  board.iommu.disable();
  board.apicBus.signals = board.bareCpus;
  board.onStop = (index, stop) => board.bareCpus.stopped(index, stop);
}

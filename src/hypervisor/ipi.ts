/** Interprocessor interrupts: a write to the ICR, kept inside the sender's cell (hypervisor interface, 7.5). */
import * as apic from "../machine/apic-registers.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { startBySipi, takeInit } from "./cpu-control.ts";
import type { Violation } from "./mmio-dispatch.ts";

const SHORTHAND_NONE = 0;
const SHORTHAND = 0xc0000;

/**
 * @param lo ICR low, reserved bits already checked
 * @param hi the destination: 32 bits, or bits 31:24 if written through the xAPIC page
 * @param wide `hi` is an x2APIC destination
 * @returns the FATAL text of a command that no cell may send
 */
export function sendIpi(
  core: Core,
  cpu: Cpu,
  lo: number,
  hi: number,
  wide: boolean,
): Violation | undefined {
  const mode = (lo >> 8) & 7;
  const shorthand = (lo >>> 18) & 3;
  const violation = checkCommand(core, lo, mode, shorthand);
  if (violation !== undefined) return violation;
  switch (shorthand) {
    case apic.SHORTHAND_SELF:
      // before broadcasts were supported only the vector survived
      core.board.localApics[cpu.index].writeIcr(
        core.release.ipiBroadcast ? lo : (lo & 0xff) | (apic.SHORTHAND_SELF << 18),
        0,
      );
      break;
    case apic.SHORTHAND_ALL:
    case apic.SHORTHAND_OTHERS:
      for (const target of [...cpu.cell.cpus])
        if (target !== cpu || shorthand === apic.SHORTHAND_ALL)
          deliver(core, cpu, target, lo, mode);
      break;
    default:
      sendToDestination(core, cpu, lo, hi, mode, wide);
  }
  return undefined;
}

function checkCommand(
  { release }: Core,
  lo: number,
  mode: number,
  shorthand: number,
): Violation | undefined {
  const known =
    mode === apic.FIXED ||
    mode === apic.LOWEST_PRIORITY ||
    mode === apic.NMI ||
    mode === apic.INIT ||
    mode === apic.STARTUP;
  const icr = (lo >>> 0).toString(16);
  if (release.ipiBroadcast) {
    const combines =
      mode === apic.FIXED || shorthand === SHORTHAND_NONE || shorthand === apic.SHORTHAND_OTHERS;
    return known && combines
      ? undefined
      : `FATAL: Unsupported/invalid APIC delivery mode, ICR.lo=${icr}`;
  }
  if (!known) return `FATAL: Unsupported APIC delivery mode, ICR.lo=${icr}`;
  return shorthand === SHORTHAND_NONE || shorthand === apic.SHORTHAND_SELF
    ? undefined
    : `FATAL: Unsupported shorthand, ICR.lo=${icr}`;
}

function sendToDestination(
  core: Core,
  cpu: Cpu,
  lo: number,
  hi: number,
  mode: number,
  wide: boolean,
): void {
  if ((lo & apic.LOGICAL) === 0) {
    // APIC ids are logical CPU numbers on this machine
    sendTo(core, cpu, wide ? hi >>> 0 : hi >>> 24, lo, hi, mode);
    return;
  }
  const clustered = wide && core.apicOperation === "x2apic";
  const first = clustered ? (hi >>> 16) * 16 : 0;
  const bits = clustered ? hi & 0xffff : wide ? hi & 0xff : hi >>> 24;
  for (let bit = 0; bit < 16; bit++)
    if ((bits & (1 << bit)) !== 0) sendTo(core, cpu, first + bit, lo, hi, mode);
}

function sendTo(core: Core, cpu: Cpu, index: number, lo: number, hi: number, mode: number): void {
  const target = core.cpus[index];
  if (target !== undefined && target.cell === cpu.cell) {
    deliver(core, cpu, target, lo, mode);
    return;
  }
  const destination = (hi >>> 0).toString(16);
  core.console.print(
    `WARNING: CPU ${cpu.index} specified IPI destination outside cell boundaries, ICR.hi=${destination}`,
  );
}

function deliver(core: Core, cpu: Cpu, target: Cpu, lo: number, mode: number): void {
  switch (mode) {
    case apic.NMI:
      core.console.print(
        core.release.nmiLineNamesCpu
          ? `Ignoring NMI IPI to CPU ${target.index}`
          : "Ignoring NMI IPI",
      );
      break;
    case apic.INIT:
      takeInit(core, target);
      break;
    case apic.STARTUP:
      startBySipi(core, target, lo & 0xff);
      break;
    default: {
      const lapic = core.board.localApics[cpu.index];
      const destination = lapic.x2apic ? target.index : (target.index << 24) >>> 0;
      lapic.writeIcr(lo & ~(apic.LOGICAL | SHORTHAND), destination);
    }
  }
}

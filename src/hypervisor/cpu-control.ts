/** Stopping and starting CPUs, and the state in which a guest finds them (hypervisor interface, 6). */
import type { Segment, SegmentName, Vcpu } from "../engine/vcpu.ts";
import type { Core } from "./core.ts";
import { type Cpu, PAT_RESET } from "./cpu.ts";
import { MANAGEMENT } from "./statistics.ts";

/** Pseudo SIPI vector of a cell start. */
export const CELL_START = 0x100;

const MTRR_ENABLE = 1 << 11;

/** Real-mode code segment and offset. */
export interface StartAddress {
  readonly selector: number;
  readonly base: number;
  readonly ip: number;
}

/** Reset address of a cell: any guest-physical address, not only one that real mode could name. */
export function resetAddress(address: number): StartAddress {
  const ip = address % 0x10000;
  return { selector: Math.floor(address / 16) & 0xf000, base: address - ip, ip };
}

/** @param vector 0..255 */
export function sipiAddress(vector: number): StartAddress {
  return { selector: vector << 8, base: vector << 12, ip: 0 };
}

/** Holds a CPU inside the hypervisor. */
export function suspend(core: Core, cpu: Cpu): void {
  if (cpu.suspended) return;
  cpu.suspended = true;
  if (!cpu.waitsForSipi) cpu.statistics.count(MANAGEMENT);
  updateScheduler(core, cpu);
}

/** Lets a suspended CPU go on where it was. */
export function resume(core: Core, cpu: Cpu): void {
  cpu.suspended = false;
  updateScheduler(core, cpu);
}

/** Takes a CPU from whatever it does to the parked page, to wait for a SIPI or a start. */
export function park(core: Core, cpu: Cpu): void {
  cpu.suspended = false;
  cpu.failed = false;
  cpu.initPending = false;
  cpu.waitsForSipi = true;
  const address = core.release.parkedPage;
  // reached by CS:IP ffff0 in a page at ff000, or by 0 in a page at 0
  resetRegisters(cpu.vcpu, resetAddress(address === 0 ? 0 : address + 0xff0));
  cpu.vcpu.map = core.parkedMap;
  updateScheduler(core, cpu);
}

/** A failed CPU stays as it failed, for whoever wants to know why; its guest cannot tell it from a parked one. */
export function parkFailed(core: Core, cpu: Cpu): void {
  cpu.failed = true;
  cpu.waitsForSipi = true;
  updateScheduler(core, cpu);
}

/** A cell start: all CPUs at the cell's reset address, with a fresh view of memory types. */
export function startAtReset(core: Core, cpu: Cpu): void {
  cpu.failed = false;
  cpu.setPat(PAT_RESET);
  cpu.mtrrDefaultLo &= ~MTRR_ENABLE;
  cpu.vcpu.registers.setMsr(IA32_DEBUGCTL, 0n);
  start(core, cpu, CELL_START, resetAddress(Number(cpu.cell.config.cpuResetAddress)));
}

/**
 * INIT from a CPU of the same cell: wait for a SIPI, unless it already does. A
 * CPU that sends it to itself is inside an instruction: it stops there first.
 */
export function takeInit(core: Core, cpu: Cpu): void {
  if (cpu.waitsForSipi) return;
  cpu.statistics.count(MANAGEMENT);
  if (core.board.scheduler.currentIndex === cpu.index) cpu.initPending = true;
  else park(core, cpu);
}

/**
 * From a SIPI to the first instruction: the hypervisor on its way, with its line on the serial port.
 * Inmates up to v0.10 share one stack and depend on it: the starting CPU is to wait in its loop by then.
 */
const SIPI_NANOSECONDS = 500_000;

/** A SIPI: taken only by a CPU that waits for it. */
export function startBySipi(core: Core, cpu: Cpu, vector: number): void {
  if (!cpu.waitsForSipi || cpu.failed) return;
  start(core, cpu, vector, sipiAddress(vector));
  core.board.scheduler.delayStart(cpu.index, SIPI_NANOSECONDS);
}

/** Root code starts on a CPU without a SIPI: `enter` sets registers that are as after INIT. */
export function startWith(core: Core, cpu: Cpu, enter: (vcpu: Vcpu) => void): void {
  cpu.suspended = false;
  cpu.waitsForSipi = false;
  cpu.failed = false;
  cpu.vcpu.reset();
  cpu.vcpu.map = cpu.cell.map;
  enter(cpu.vcpu);
  updateScheduler(core, cpu);
}

function start(core: Core, cpu: Cpu, vector: number, address: StartAddress): void {
  core.console.print(`CPU ${cpu.index} received SIPI, vector ${vector.toString(16)}`);
  cpu.statistics.count(MANAGEMENT);
  cpu.suspended = false;
  cpu.waitsForSipi = false;
  core.board.localApics[cpu.index].clear();
  cpu.vcpu.map = cpu.cell.map;
  resetRegisters(cpu.vcpu, address);
  updateScheduler(core, cpu);
}

function updateScheduler({ board }: Core, cpu: Cpu): void {
  board.scheduler.setOnline(cpu.index, !cpu.suspended && !cpu.waitsForSipi);
}

const IA32_DEBUGCTL = 0x1d9;
const SYSENTER_MSRS = [0x174, 0x175, 0x176];
const DATA: Segment = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 };

function resetRegisters(vcpu: Vcpu, address: StartAddress): void {
  const { registers } = vcpu;
  const cr2 = registers.get("cr2");
  vcpu.reset();
  registers.set("cr2", cr2);
  registers.set("cr0", 0x6000_0010n);
  registers.set("cr3", 0n);
  registers.set("cr4", 0n);
  registers.set("efer", 0n);
  registers.set("rflags", 2n);
  registers.set("dr7", 0x400n);
  for (let index = 0; index < 16; index++) registers.setPair(index, 0, 0);
  for (const name of ["ds", "es", "fs", "gs", "ss"] satisfies SegmentName[])
    registers.setSegment(name, DATA);
  registers.setSegment("cs", {
    selector: address.selector,
    base: BigInt(address.base),
    limit: 0xffff,
    attributes: 0x9b,
  });
  registers.setSegment("tr", { ...DATA, attributes: 0x8b });
  registers.setSegment("ldtr", { ...DATA, attributes: 0x82 });
  registers.setGdtr({ base: 0n, limit: 0xffff });
  registers.setIdtr({ base: 0n, limit: 0xffff });
  for (const msr of SYSENTER_MSRS) registers.setMsr(msr, 0n);
  registers.set("rip", BigInt(address.ip));
}

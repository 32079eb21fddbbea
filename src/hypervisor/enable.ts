/** Enable: checks, memory, root cell, and the messages on the way (hypervisor interface, 9.1, 10 to 12). */
import type { SystemConfig, X86Platform } from "../config/types.ts";
import { EXECUTE, READ } from "../engine/vcpu.ts";
import * as apic from "../machine/apic-registers.ts";
import type { Board } from "../machine/board.ts";
import type { ApicOperation } from "./apic-moderation.ts";
import { makeCell } from "./cell-factory.ts";
import { mapRegion } from "./cell-memory.ts";
import { configSize } from "./config-size.ts";
import { Core, type HypervisorOptions } from "./core.ts";
import { Cpu, PAT_RESET } from "./cpu.ts";
import { DebugConsole } from "./debug-console.ts";
import { hex, type Refusal, type Result, refuse, success } from "./errno.ts";
import { hex16 } from "./failure-report.ts";
import { InterruptRemappingTable, MAXIMUM_INTERRUPTS } from "./interrupt-remapping.ts";
import { CellMemoryMap, PAGE_SIZE } from "./memory-map.ts";
import { IA32_MTRR_DEF_TYPE, IA32_PAT } from "./msr-moderation.ts";
import { PagePool, pagesFor } from "./page-pool.ts";
import { assignDevices } from "./pci-assignment.ts";
import { reservePins } from "./pin-assignment.ts";
import { type Release, releaseOf } from "./release.ts";
import { isTakenOver, takeOver } from "./take-over.ts";

/** The hypervisor's memory begins with these pages; the page pool with all else follows. */
const PARKED_PAGE = 0;
const ZERO_PAGE = 1;
const CONSOLE_PAGE = 2;
const CORE_PAGES = 3;

/** `cli; hlt; jmp -4`, what a parked CPU executes. */
const PARKED_CODE = [0xfa, 0xf4, 0xeb, 0xfc];

/** Pages of the address space in which the original maps what it needs for a moment. */
const REMAP_PAGES = 131072;

/** MTRRs on, fixed ranges on, write-back: how firmware leaves a PC. */
const MTRR_DEFAULT = 0xc06n;

/** @returns the running hypervisor, or why the machine goes on without one */
export function enable(
  board: Board,
  system: SystemConfig,
  options: HypervisorOptions,
): Result<Core> {
  const release = releaseOf(system.revision);
  const { platform } = system;
  if (platform.kind !== "x86")
    return refuse("EINVAL", `the system is for ${system.architecture}, this machine is x86`);
  const size = configSize(system);
  if (!size.ok) return size;
  const layout = layOut(system, release, size.value);
  const refusal =
    checkByDriver(board, system, layout) ?? checkByHypervisor(board, system, platform, release);
  if (refusal !== undefined) return refusal;
  const apicOperation = chooseApicOperation(board, platform, options);
  if (apicOperation === undefined)
    return refuse(
      "EIO",
      "the local APICs are neither in the mode that apic_mode demands nor in xAPIC mode",
    );

  const pool = new PagePool(layout.poolStart, layout.poolPages);
  pool.allocate(layout.usedPages);
  const consolePage = layout.start + CONSOLE_PAGE * PAGE_SIZE;
  const hasConsolePage = release.consolePage && system.flags.virtualDebugConsole;
  board.memory.bytes(layout.start, layout.size).fill(0);
  for (const offset of [0, 0xff0])
    board.memory.bytes(layout.start + PARKED_PAGE * PAGE_SIZE + offset, 4).set(PARKED_CODE);
  const console = new DebugConsole(
    {
      line: options.consoleLine,
      uart: system.debugConsole.type === "none" ? undefined : options.consoleByte,
    },
    board.memory,
    hasConsolePage ? consolePage : undefined,
  );
  const parkedMap = new CellMemoryMap(board.memory.ramBytes);
  parkedMap.map(
    release.parkedPage,
    PAGE_SIZE,
    layout.start + PARKED_PAGE * PAGE_SIZE,
    READ | EXECUTE,
  );

  const core = new Core({
    board,
    system,
    platform,
    release,
    options,
    console,
    pool,
    remapPool: { size: REMAP_PAGES, used: release.remapPagesPerCpu * layout.cpuSlots },
    remapping: new InterruptRemappingTable(platform.vtdInterruptLimit, release, (line) =>
      console.print(line),
    ),
    parkedMap,
    apicOperation,
    frequencies: {
      tscKilohertz: platform.tscKhz || Math.round((options.tscHz ?? 1e9) / 1000),
      apicKilohertz: platform.apicKhz || Math.round((options.apicHz ?? 1e9) / 1000),
    },
  });
  const started = start(core, layout);
  if (!started.ok) return started;
  return success(core);
}

interface Layout {
  readonly start: number;
  readonly size: number;
  readonly cpuSlots: number;
  readonly poolStart: number;
  readonly poolPages: number;
  /** CPUs, configuration and bitmap. */
  readonly usedPages: number;
}

function layOut(system: SystemConfig, release: Release, configBytes: number): Layout {
  const start = Number(system.hypervisorMemory.physStart);
  const size = Number(system.hypervisorMemory.size);
  const cpuSlots = Math.max(...system.rootCell.cpus, -1) + 1;
  const poolPages = Math.max(0, Math.floor(size / PAGE_SIZE) - CORE_PAGES);
  const usedPages =
    pagesFor(cpuSlots * release.perCpuBytes) + pagesFor(configBytes) + pagesFor(poolPages / 8);
  return {
    start,
    size,
    cpuSlots,
    poolStart: start + CORE_PAGES * PAGE_SIZE,
    poolPages,
    usedPages,
  };
}

function checkByDriver(
  board: Board,
  { rootCell, hypervisorMemory }: SystemConfig,
  layout: Layout,
): Refusal | undefined {
  if (isTakenOver(board)) return refuse("EBUSY", "a hypervisor is enabled already");
  if (rootCell.cpus.length === 0)
    return refuse("EINVAL", `root cell "${rootCell.name}" has no CPU`);
  const range = `hypervisor_memory ${hex(hypervisorMemory.physStart)}, size ${hex(hypervisorMemory.size)}`;
  if (layout.usedPages >= layout.poolPages)
    return refuse(
      "EINVAL",
      `${range}, is too small: it must hold more than ${layout.usedPages + CORE_PAGES} pages`,
    );
  if (layout.start % PAGE_SIZE !== 0 || layout.start + layout.size > board.memory.ramBytes)
    return refuse(
      "EINVAL",
      `${range}, is not in the machine's RAM of ${hex(board.memory.ramBytes)} bytes`,
    );
  return undefined;
}

function checkByHypervisor(
  board: Board,
  { rootCell }: SystemConfig,
  platform: X86Platform,
  release: Release,
): Refusal | undefined {
  const { cpus } = rootCell;
  const present = board.vcpus.length;
  if (cpus.length !== present || cpus.some((index) => index >= present))
    return refuse(
      "EINVAL",
      `root cell "${rootCell.name}" lists CPUs ${cpus.join(", ")}, the machine has 0 to ${present - 1}`,
    );
  if (release.pmTimerRequired && platform.pmTimerAddress === 0)
    return refuse("EINVAL", `${release.version} needs a PM timer: pm_timer_address is 0`);
  if (platform.vtdInterruptLimit > MAXIMUM_INTERRUPTS)
    return refuse(
      "EINVAL",
      `vtd_interrupt_limit ${platform.vtdInterruptLimit} is above ${MAXIMUM_INTERRUPTS}`,
    );
  if (platform.iommuUnits.length === 0) return refuse("EINVAL", "no IOMMU unit is listed");
  const other = platform.iommuUnits.findIndex(({ type }) => type !== "intel");
  if (release.iommuTypeChecked && other >= 0)
    return refuse(
      "EINVAL",
      `IOMMU unit ${other} is of type ${platform.iommuUnits[other].type}, not Intel`,
    );
  return undefined;
}

/** Configuration format, 5.4. The root operating system runs x2APIC where it may. */
function chooseApicOperation(
  board: Board,
  { apicMode }: X86Platform,
  { rootApicMode }: HypervisorOptions,
): ApicOperation | undefined {
  const wanted = rootApicMode ?? (apicMode === "xapic" ? "xapic" : "x2apic");
  if (wanted === "x2apic")
    for (const lapic of board.localApics)
      lapic.apicBase = lapic.apicBase + (lapic.x2apic ? 0 : apic.APIC_BASE_EXTD);
  const [first] = board.localApics;
  if (first.x2apic && apicMode !== "xapic") return "x2apic";
  return first.enabled && apicMode !== "x2apic" ? "xapic" : undefined;
}

function start(core: Core, layout: Layout): Result {
  const { console, system, release, board } = core;
  console.print("");
  console.print(
    `Initializing Jailhouse hypervisor ${release.version} on CPU ${system.rootCell.cpus[0]}`,
  );
  console.print(`Code location: 0x${hex16(release.codeLocation)}`);
  console.print(core.apicOperation === "x2apic" ? "Using x2APIC" : "Using xAPIC");
  core.printPools("after early setup");

  const root = makeCell(core, system.rootCell, 0, 0);
  if (!root.ok) return root;
  const cell = root.value;
  core.cells.push(cell);
  console.print("Initializing processors:");
  for (const vcpu of board.vcpus) {
    const cpu = new Cpu(vcpu, cell);
    cpu.setPat(vcpu.registers.msr(IA32_PAT) ?? PAT_RESET);
    const mtrrDefault = vcpu.registers.msr(IA32_MTRR_DEF_TYPE) ?? MTRR_DEFAULT;
    cpu.mtrrDefaultLo = Number(mtrrDefault & 0xffff_ffffn);
    cpu.mtrrDefaultHi = Number(mtrrDefault >> 32n);
    core.cpus.push(cpu);
    console.print(` CPU ${vcpu.index}... (APIC ID ${board.localApics[vcpu.index].id}) OK`);
  }
  cell.cpus = [...core.cpus];

  const refused = initializeUnits(core);
  if (refused !== undefined) return refused;
  for (const region of cell.regions) if (!region.flags.commRegion) mapRegion(board, cell, region);
  hideHypervisorMemory(core, layout);
  core.printPools("after late setup");
  console.print("Activating hypervisor");

  takeOver(core);
  core.commit(cell);
  return success();
}

function initializeUnits(core: Core): Refusal | undefined {
  const { console, release, platform, root } = core;
  const unit = (name: string): void => {
    if (release.unitHeadings) console.print(`Initializing unit: ${name}`);
  };
  unit("VT-d");
  for (const { base, size } of platform.iommuUnits)
    console.print(`DMAR unit @0x${base.toString(16)}/0x${size.toString(16)}`);
  const refused = reservePins(core, root);
  if (refused !== undefined) return refused;
  unit("IOAPIC");
  unit("Test device");
  // the CPU has no cache allocation: cache regions mean nothing, and there is nothing to say
  unit("Cache Allocation Technology");
  unit("PCI");
  return assignDevices(core, root);
}

/** Root reads zeros where the hypervisor lives, and the log if it may. */
function hideHypervisorMemory({ root, release, system }: Core, { start, size }: Layout): void {
  root.map.mapRepeated(start, size, start + ZERO_PAGE * PAGE_SIZE, READ);
  const console = start + CONSOLE_PAGE * PAGE_SIZE;
  if (release.consolePage && system.flags.virtualDebugConsole)
    root.map.map(console, PAGE_SIZE, console, READ);
}

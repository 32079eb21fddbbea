/**
 * Create, set-loadable, start and destroy: the steps of the hypervisor
 * interface, 5.2 to 5.6, in their order. Each is an operation that yields
 * while it waits for a cell; root is held meanwhile.
 */
import type { CellConfig } from "../config/types.ts";
import type { Cell } from "./cell.ts";
import { commContent, freeCell, makeCell } from "./cell-factory.ts";
import {
  giveBackToRoot,
  mapIntoRoot,
  mapRegion,
  takeFromRoot,
  unmapFromRoot,
} from "./cell-memory.ts";
import { CELL_STATE } from "./comm-region.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { park, resume, startAtReset, suspend } from "./cpu-control.ts";
import { waitsToLeave } from "./disable.ts";
import { hex, type Refusal, type Result, refuse, success } from "./errno.ts";
import { exchange } from "./messages.ts";
import { assignDevices, recheckRootMessages, returnDevices } from "./pci-assignment.ts";
import { reservePins, returnPins, takePins } from "./pin-assignment.ts";
import { commonPorts } from "./port-permissions.ts";
import { Abandoned, type Operation } from "./request.ts";

/** A configuration that spans more pages cannot be mapped by the hypervisor. */
export const CONFIG_PAGES = 16;

/** Where a new cell comes from. */
export interface Creation {
  readonly config: CellConfig;
  /** Given by the driver; must be free. */
  readonly id: number;
  /** Bytes of the binary configuration, and its offset in the first page. */
  readonly configBytes: number;
  readonly pageOffset: number;
  /** The CPU that executes the call; undefined: a request from outside the machine, executed by any root CPU that stays. */
  readonly caller: Cpu | undefined;
}

export function* createCell(core: Core, creation: Creation): Operation<Cell> {
  suspendRoot(core);
  try {
    const refusal = checkLocks(core, undefined) ?? checkConfig(core, creation);
    if (refusal !== undefined) return refusal;
    const { config, id, configBytes } = creation;
    const made = makeCell(core, config, id, configBytes);
    if (!made.ok) return made;
    const cell = made.value;
    const { root, board } = core;

    const unassigned = reservePins(core, cell) ?? assignDevices(core, cell);
    if (unassigned !== undefined) {
      returnDevices(core, cell);
      freeCell(core, cell);
      return unassigned;
    }
    root.ports.revoke(cell.config.ports);
    takePins(core, cell);
    for (const index of cell.config.cpus) {
      const cpu = core.cpus[index];
      park(core, cpu);
      changeOwner(cpu, cell);
    }
    for (const region of cell.regions) {
      takeFromRoot(root, region);
      mapRegion(board, cell, region);
    }
    core.commit(cell);
    recheckRootMessages(core);
    cell.comm.create(commContent(core, cell));
    core.cells.push(cell);
    yield* reconfigured(core);
    core.console.print(`Created cell "${cell.name}"`);
    core.printPools("after cell creation");
    return success(cell);
  } finally {
    resumeRoot(core);
  }
}

export function* setLoadable(core: Core, cell: Cell): Operation<void> {
  suspendRoot(core);
  try {
    const refusal = yield* stopCell(core, cell);
    if (refusal !== undefined) return refusal;
    if (cell.loadable && !core.release.reloadParksCpus) return success();
    for (const cpu of cell.cpus) park(core, cpu);
    if (cell.loadable) return success();
    cell.comm.state = CELL_STATE.shutDown;
    cell.loadable = true;
    if (core.release.pciResetAtLoad) cell.pci.reset();
    for (const region of loadableRegions(cell)) mapIntoRoot(core.board, core.root, region);
    core.commit(cell);
    core.console.print(`Cell "${cell.name}" can be loaded`);
    return success();
  } finally {
    resumeRoot(core);
  }
}

export function* startCell(core: Core, cell: Cell): Operation<void> {
  suspendRoot(core);
  try {
    const refusal = yield* stopCell(core, cell);
    if (refusal !== undefined) return refusal;
    if (cell.loadable) {
      for (const region of loadableRegions(cell)) unmapFromRoot(core.root, region);
      core.commit(cell);
      cell.loadable = false;
    }
    cell.comm.start(commContent(core, cell));
    cell.pci.reset();
    if (!core.release.ioapic.maskedAtCreate) for (const ioapic of cell.ioapics) ioapic.maskAll();
    core.console.print(`Started cell "${cell.name}"`);
    for (const cpu of cell.cpus) startAtReset(core, cpu);
    return success();
  } finally {
    resumeRoot(core);
  }
}

export function* destroyCell(core: Core, cell: Cell): Operation<void> {
  suspendRoot(core);
  try {
    const refusal = checkLocks(core, cell) ?? (yield* stopCell(core, cell));
    if (refusal !== undefined) return refusal;
    const { root, board, console } = core;
    console.print(`Closing cell "${cell.name}"`);
    if (core.release.destroyWritesState) cell.comm.state = CELL_STATE.shutDown;
    for (const cpu of cell.cpus) {
      park(core, cpu);
      changeOwner(cpu, root);
    }
    cell.map.clear();
    for (const region of cell.regions) giveBackToRoot(board, root, region);
    returnDevices(core, cell);
    root.ports.grant(commonPorts(cell.config.ports, root.config.ports));
    returnPins(core, cell);
    core.cells.splice(core.cells.indexOf(cell), 1);
    core.commit(root);
    freeCell(core, cell);
    core.printPools("after cell destruction");
    yield* reconfigured(core);
    return success();
  } finally {
    resumeRoot(core);
  }
}

/** The common prologue: the cell agrees to be stopped, and all its CPUs are. */
function* stopCell(core: Core, cell: Cell): Generator<number, Refusal | undefined, void> {
  if (cell.isRoot) return refuse("EINVAL", `cell "${cell.name}" is the root cell`);
  if (!(yield* exchange(core, cell, "shutdownRequest")))
    return refuse("EPERM", `cell "${cell.name}" refused to shut down`);
  for (const cpu of cell.cpus) suspend(core, cpu);
  return undefined;
}

/** What the cells answer to the news makes no difference, nor that one does not answer. */
function* reconfigured(core: Core): Generator<number, void, void> {
  for (const cell of [...core.cells])
    if (!cell.isRoot)
      try {
        yield* exchange(core, cell, "reconfigCompleted");
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
      }
}

/** @param except the cell that is to be destroyed may be locked */
export function checkLocks({ cells }: Core, except: Cell | undefined): Refusal | undefined {
  const locked = cells.find((cell) => !cell.isRoot && cell !== except && cell.isLocked);
  return locked && refuse("EPERM", `cell "${locked.name}" is running and locks the configuration`);
}

/** Checks 4 to 10 of the configuration format, 7.4. */
function checkConfig(
  { cells, root }: Core,
  { config, id, configBytes, pageOffset, caller }: Creation,
): Refusal | undefined {
  const { name, cpus } = config;
  const twin = cells.find((cell) => cell.name === name || cell.id === id);
  if (twin !== undefined)
    return refuse("EEXIST", `cell "${twin.name}" already has the name "${name}" or the id ${id}`);
  if (pageOffset + configBytes > CONFIG_PAGES * 4096)
    return refuse(
      "E2BIG",
      `the configuration of "${name}", ${configBytes} bytes from offset ${hex(pageOffset)} of a page, needs more than ${CONFIG_PAGES} pages`,
    );
  if (
    caller === undefined
      ? root.cpus.every((cpu) => cpus.includes(cpu.index))
      : cpus.includes(caller.index)
  )
    return refuse("EBUSY", `cell "${name}" contains the CPU that executes the request`);
  const foreign = cpus.find((index) => !root.cpus.some((cpu) => cpu.index === index));
  if (foreign !== undefined)
    return refuse("EBUSY", `CPU ${foreign} of cell "${name}" does not belong to the root cell`);
  return undefined;
}

function changeOwner(cpu: Cpu, owner: Cell): void {
  cpu.cell.cpus = cpu.cell.cpus.filter((each) => each !== cpu);
  owner.cpus = [...owner.cpus, cpu].sort((a, b) => a.index - b.index);
  cpu.cell = owner;
  cpu.vcpu.features = owner.features;
  cpu.statistics.clear();
}

function loadableRegions(cell: Cell) {
  return cell.regions.filter(({ flags }) => flags.loadable);
}

function suspendRoot(core: Core): void {
  for (const cpu of core.root.cpus) suspend(core, cpu);
}

function resumeRoot(core: Core): void {
  for (const cpu of core.root.cpus) if (!waitsToLeave(core, cpu)) resume(core, cpu);
}

/** The cell that a hypercall names. */
export function cellById({ cells }: Core, id: number): Result<Cell> {
  const cell = cells.find((each) => each.id === id);
  if (cell === undefined) return refuse("ENOENT", `there is no cell with id ${id}`);
  if (cell.isRoot) return refuse("EINVAL", `id ${id} is the root cell`);
  return success(cell);
}

/**
 * The hypervisor as its user sees it: what the `jailhouse` command and root's
 * kernel driver offer, with the driver's own checks (configuration format 7.2,
 * tools 2). No guest runs in root for this.
 */
import type { CellConfig, SystemConfig } from "../config/types.ts";
import type { Vcpu } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { Cell } from "./cell.ts";
import { configSize } from "./config-size.ts";
import type { Core, HypervisorOptions } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { startWith } from "./cpu-control.ts";
import { disableAll } from "./disable.ts";
import { enable } from "./enable.ts";
import { hex, type Refusal, type Result, refuse, success } from "./errno.ts";
import type { Failure } from "./failure.ts";
import { openRootLink, type RootLink, rootLinkAddresses } from "./ivshmem/root-link.ts";
import { createCell, destroyCell, setLoadable, startCell } from "./lifecycle.ts";
import { type PartitionRow, partitionMap } from "./partition-map.ts";
import type { Operation, Request } from "./request.ts";

/** How often {@link Hypervisor.settle} looks, in virtual nanoseconds. */
const SETTLE_SLICE_NS = 100_000;

/** A cell by its name, or by its id. */
export type CellName = string | number;

export class Hypervisor {
  readonly core: Core;

  private constructor(core: Core) {
    this.core = core;
  }

  /** `jailhouse enable`: takes over the machine. Every CPU of root is parked until {@link startRoot}. */
  static enable(
    board: Board,
    system: SystemConfig,
    options: HypervisorOptions,
  ): Result<Hypervisor> {
    const core = enable(board, system, options);
    return core.ok ? success(new Hypervisor(core.value)) : core;
  }

  /** Root first, the others in the order of their creation. */
  get cells(): readonly Cell[] {
    return this.core.cells;
  }

  /** By logical number. */
  get cpus(): readonly Cpu[] {
    return this.core.cpus;
  }

  /** Every failure since enable, in order of time. */
  get failures(): readonly Failure[] {
    return this.core.failures;
  }

  cell(name: CellName): Result<Cell> {
    return this.core.cell(name);
  }

  /** A cell's guest-physical space, ascending: what it reaches directly and what is moderated. */
  partitionMap(cell: Cell): readonly PartitionRow[] {
    return partitionMap(cell);
  }

  /** Exits of all CPUs of a cell, by sysfs name. */
  statistics(cell: Cell): Record<string, number> {
    return this.core.statistics(cell);
  }

  /** The report of a CPU that is failed now. */
  failureOf(cpu: Cpu): Failure | undefined {
    return this.core.failureOf(cpu);
  }

  /** PCI addresses of root's ends of links through shared memory, in the order of its configuration. */
  get rootLinks(): readonly number[] {
    return rootLinkAddresses(this.core);
  }

  /**
   * Gives root's end of a link to an application in this process, see {@link RootLink}.
   * @param bdf bus << 8 | device << 3 | function
   * @returns ENODEV if root has no shared-memory device there, EBUSY if it is open already, EINVAL if
   *   its memory is not RAM
   */
  openRootLink(bdf: number): Result<RootLink> {
    return openRootLink(this.core, bdf);
  }

  /**
   * Starts root code on a parked CPU of the root cell, which may then issue
   * hypercalls. `enter` sets the registers; they are as after INIT.
   */
  startRoot(index: number, enter: (vcpu: Vcpu) => void): Result {
    const cpu = this.core.root.cpus.find((each) => each.index === index);
    if (cpu === undefined) return refuse("EINVAL", `CPU ${index} is not in the root cell`);
    startWith(this.core, cpu, enter);
    return success();
  }

  /**
   * Lets the machine run until the request has its result. Not to be called
   * while the machine runs.
   * @param limitNs virtual time after which the request is abandoned (ETIMEDOUT)
   */
  settle<T>(request: Request<T>, limitNs: number): Result<T> {
    const { clock, scheduler } = this.core.board;
    const end = clock.machineTime + limitNs;
    for (;;) {
      if (request.result !== undefined) return request.result;
      if (clock.machineTime >= end)
        request.abandon(`no reply within ${limitNs} ns of virtual time`);
      else scheduler.run(Math.min(end, clock.machineTime + SETTLE_SLICE_NS));
    }
  }

  /** `jailhouse cell create`: the cell gets the lowest free id from 1 on. */
  createCell(config: CellConfig): Request<Cell> {
    return this.#begin(this.#create(config));
  }

  /** `jailhouse cell shutdown`, which is the first half of `cell load`. */
  shutdownCell(name: CellName): Request<void> {
    return this.setLoadable(name);
  }

  /** First half of `jailhouse cell load`: stops the cell and shows its memory to root. */
  setLoadable(name: CellName): Request<void> {
    return this.#begin(this.#onCell(name, setLoadable));
  }

  /**
   * Second half of `jailhouse cell load`, once the cell is loadable.
   * @param address guest-physical in the cell
   * @returns EINVAL if the first region that contains the address does not hold the whole image, or is not writable and loadable
   */
  loadImage(name: CellName, bytes: Uint8Array, address: number): Result {
    const { core } = this;
    const found = core.cell(name);
    if (!found.ok) return found;
    const cell = found.value;
    if (!cell.loadable) return refuse("EINVAL", `cell "${cell.name}" is not loadable`);
    if (bytes.length === 0) return success();
    const what = `image of ${bytes.length} bytes at ${hex(address)}`;
    const region = cell.regions.find(
      ({ virtual, size }) => address >= virtual && address < virtual + size,
    );
    if (region === undefined)
      return refuse(
        "EINVAL",
        `${what}: no memory region of cell "${cell.name}" contains that address`,
      );
    const where = `memory region ${region.index} of cell "${cell.name}" (${hex(region.virtual)}, size ${hex(region.size)})`;
    if (address + bytes.length > region.virtual + region.size)
      return refuse("EINVAL", `${what}: reaches beyond ${where}`);
    if (!region.flags.write || !region.flags.loadable)
      return refuse(
        "EINVAL",
        `${what}: ${where} is not ${region.flags.write ? "loadable" : "writable"}`,
      );
    const physical = region.physical + address - region.virtual;
    const { memory, vcpus } = core.board;
    if (physical + bytes.length > memory.ramBytes)
      return refuse("EBUSY", `${what}: ${where} lies at ${hex(region.physical)}, which is not RAM`);
    memory.bytes(physical, bytes.length).set(bytes);
    for (const vcpu of vcpus) vcpu.memoryChanged(physical, bytes.length);
    return success();
  }

  /** `jailhouse cell start`. */
  startCell(name: CellName): Request<void> {
    return this.#begin(this.#onCell(name, startCell));
  }

  /** `jailhouse cell destroy`. */
  destroyCell(name: CellName): Request<void> {
    return this.#begin(this.#onCell(name, destroyCell));
  }

  /** `jailhouse disable`: destroys the cells one after the other, and stops at the first that refuses. */
  disable(): Request<void> {
    return this.#begin(this.#disable());
  }

  #begin<T>(operation: Operation<T>): Request<T> {
    return this.core.request(operation);
  }

  *#create(config: CellConfig): Operation<Cell> {
    const { core } = this;
    const refusal = this.#notEnabled() ?? checkByDriver(core, config);
    if (refusal !== undefined) return refusal;
    const used = new Set(core.cells.map(({ id }) => id));
    let id = 1;
    while (used.has(id)) id++;
    const { flags } = config;
    const effective: CellConfig = {
      ...config,
      id,
      flags: {
        ...flags,
        virtualConsolePermitted:
          flags.virtualConsolePermitted ||
          (flags.virtualConsoleActive && core.release.activeConsoleImpliesPermitted),
      },
    };
    const size = configSize(effective);
    if (!size.ok) return size;
    return yield* createCell(core, {
      config: effective,
      id,
      configBytes: size.value,
      pageOffset: 0,
      caller: undefined,
    });
  }

  *#onCell(
    name: CellName,
    operation: (core: Core, cell: Cell) => Operation<void>,
  ): Operation<void> {
    const refusal = this.#notEnabled();
    if (refusal !== undefined) return refusal;
    const cell = this.core.cell(name);
    return cell.ok ? yield* operation(this.core, cell.value) : cell;
  }

  *#disable(): Operation<void> {
    const { core } = this;
    const refusal = this.#notEnabled();
    if (refusal !== undefined) return refusal;
    for (const cell of core.cells.slice(1)) {
      const destroyed = yield* destroyCell(core, cell);
      if (!destroyed.ok) return destroyed;
    }
    disableAll(core);
    return success();
  }

  #notEnabled(): Refusal | undefined {
    return this.core.enabled ? undefined : refuse("EINVAL", "no hypervisor is enabled");
  }
}

function checkByDriver(
  { system, release, root, cells }: Core,
  { name, revision, architecture, cpus }: CellConfig,
): Refusal | undefined {
  if (revision !== system.revision)
    return refuse(
      "EINVAL",
      `cell "${name}" has configuration revision ${revision}, the system ${system.revision}`,
    );
  if (architecture !== system.architecture)
    return refuse(
      "EINVAL",
      `cell "${name}" is for ${architecture}, the system for ${system.architecture}`,
    );
  if (cells.some((cell) => cell.name === name))
    return refuse("EEXIST", `there is a cell "${name}" already`);
  const missing = cpus.find((index) => !root.cpus.some((cpu) => cpu.index === index));
  if (missing !== undefined)
    return refuse("EBUSY", `CPU ${missing} of cell "${name}" does not belong to the root cell`);
  if (release.cpu0StaysInRoot && cpus.includes(0))
    return refuse("EINVAL", `cell "${name}" asks for CPU 0, which stays in the root cell`);
  return undefined;
}

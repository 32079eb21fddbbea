/** What the hypervisor knows of one machine: its cells, its CPUs, its memory, its console. */
import type { SystemConfig, X86Platform } from "../config/types.ts";
import type { Features } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { ApicOperation } from "./apic-moderation.ts";
import type { Cell } from "./cell.ts";
import type { Cpu } from "./cpu.ts";
import type { DebugConsole } from "./debug-console.ts";
import type { DisableRound } from "./disable.ts";
import { type Result, refuse } from "./errno.ts";
import type { Failure } from "./failure.ts";
import type { InterruptRemappingTable } from "./interrupt-remapping.ts";
import type { IoapicChip } from "./ioapic-moderation.ts";
import type { IvshmemLink } from "./ivshmem/link.ts";
import type { CellMemoryMap } from "./memory-map.ts";
import type { PagePool } from "./page-pool.ts";
import type { Release } from "./release.ts";
import { type Operation, Request } from "./request.ts";
import { sumStatistics } from "./statistics.ts";

export interface HypervisorOptions {
  /** A line of the debug console; `cell` is null for the hypervisor's own, else who wrote it by hypercall. */
  readonly consoleLine: (cell: string | null, line: string) => void;
  /** The debug console's UART, byte by byte, each LF followed by CR. */
  readonly consoleByte?: (byte: number) => void;
  /** A byte that a cell sent through its own serial port at `port` (first of eight). */
  readonly uartByte?: (cell: string, port: number, byte: number) => void;
  /** A CPU failed. Called from inside its last instruction. */
  readonly failed?: (failure: Failure) => void;
  /** What the CPUs of a cell can do while they are its, by the cell's name; default "x86-64-v3". */
  readonly features?: (cell: string) => Features;
  /**
   * Mode in which the root operating system runs the local APICs before enable;
   * default x2APIC, unless the configuration forces xAPIC.
   */
  readonly rootApicMode?: ApicOperation;
  /** What the board's clocks run at, told to the cells where the configuration says 0; default 1e9 both. */
  readonly tscHz?: number;
  readonly apicHz?: number;
}

/** The remapping pool of the original's own address space: only its figures are visible. */
export interface RemapPool {
  readonly size: number;
  readonly used: number;
}

/** Frequencies told to the cells. */
export interface Frequencies {
  readonly tscKilohertz: number;
  readonly apicKilohertz: number;
}

interface Parts {
  readonly board: Board;
  readonly system: SystemConfig;
  readonly platform: X86Platform;
  readonly release: Release;
  readonly options: HypervisorOptions;
  readonly console: DebugConsole;
  readonly pool: PagePool;
  readonly remapPool: RemapPool;
  readonly remapping: InterruptRemappingTable;
  readonly parkedMap: CellMemoryMap;
  readonly apicOperation: ApicOperation;
  readonly frequencies: Frequencies;
}

export class Core {
  readonly board: Board;
  readonly system: SystemConfig;
  readonly platform: X86Platform;
  readonly release: Release;
  readonly options: HypervisorOptions;
  readonly console: DebugConsole;
  readonly pool: PagePool;
  readonly remapPool: RemapPool;
  readonly remapping: InterruptRemappingTable;
  /** What a parked CPU sees: one page. */
  readonly parkedMap: CellMemoryMap;
  readonly apicOperation: ApicOperation;
  readonly frequencies: Frequencies;
  /** IOAPICs by physical address. */
  readonly chips = new Map<number, IoapicChip>();
  /** Links through shared memory, by the PCI address that their ends have in common. */
  readonly links = new Map<number, IvshmemLink>();
  /** Root first, the others in the order of their creation. */
  readonly cells: Cell[] = [];
  /** By logical number. */
  readonly cpus: Cpu[] = [];
  /** In order of time; a cell's stay after its destruction. */
  readonly failures: Failure[] = [];
  /** False once disabled. */
  enabled = true;
  /** DISABLE calls of root guests, while not all have come. */
  disableRound: DisableRound | undefined;
  #latest: { readonly result: Result<unknown> | undefined } | undefined;

  constructor(parts: Parts) {
    this.board = parts.board;
    this.system = parts.system;
    this.platform = parts.platform;
    this.release = parts.release;
    this.options = parts.options;
    this.console = parts.console;
    this.pool = parts.pool;
    this.remapPool = parts.remapPool;
    this.remapping = parts.remapping;
    this.parkedMap = parts.parkedMap;
    this.apicOperation = parts.apicOperation;
    this.frequencies = parts.frequencies;
  }

  get root(): Cell {
    return this.cells[0];
  }

  /** By name, or by id. */
  cell(nameOrId: string | number): Result<Cell> {
    const cell = this.cells.find(({ name, id }) => name === nameOrId || id === nameOrId);
    if (cell === undefined)
      return refuse(
        "ENOENT",
        `there is no cell ${typeof nameOrId === "string" ? `"${nameOrId}"` : `with id ${nameOrId}`}`,
      );
    return { ok: true, value: cell };
  }

  /** Exits of all CPUs of a cell, by sysfs name. */
  statistics(cell: Cell): Record<string, number> {
    return sumStatistics(
      this.release.statistics,
      cell.cpus.map((cpu) => cpu.statistics),
    );
  }

  /** The last report of a CPU that is failed now. */
  failureOf(cpu: Cpu): Failure | undefined {
    return cpu.failed ? this.failures.findLast((failure) => failure.cpu === cpu.index) : undefined;
  }

  /** Begins an operation. Only one runs at a time, as root is held while it does (else EBUSY). */
  request<T>(operation: Operation<T>, done?: (result: Result<T>) => void): Request<T> {
    const busy = this.#latest !== undefined && this.#latest.result === undefined;
    const request = new Request(this.board.clock, busy ? refuseBusy<T>() : operation, done);
    if (!busy) this.#latest = request;
    return request;
  }

  /** Configuration commit: handlers stay intercepted, and everyone affected looks at its map again. */
  commit(cell: Cell): void {
    for (const each of new Set([this.root, cell])) {
      for (const { range, behindMemory } of each.mmio.handlers)
        if (behindMemory !== true) each.map.exclude(range);
      for (const { vcpu } of each.cpus) vcpu.mapChanged();
    }
  }

  printPools(when: string): void {
    const { pool, remapPool } = this;
    this.console.print(
      `Page pool usage ${when}: mem ${pool.used}/${pool.size}, remap ${remapPool.used}/${remapPool.size}`,
    );
  }
}

// biome-ignore lint/correctness/useYield: it is refused before it could wait
function* refuseBusy<T>(): Operation<T> {
  return refuse("EBUSY", "another request is still waiting for a cell");
}

/** A q35 board with four scripted CPUs and the hypervisor on it. */
import { q35 } from "../../config/boards/q35.ts";
import { demoCell } from "../../config/demos/index.ts";
import type { CellConfig, Revision, SystemConfig } from "../../config/types.ts";
import { GuestMemory } from "../../engine/guest-memory.ts";
import { Board } from "../../machine/board.ts";
import type { Cell } from "../cell.ts";
import type { HypervisorOptions } from "../core.ts";
import type { Cpu } from "../cpu.ts";
import type { Result } from "../errno.ts";
import { Hypervisor } from "../hypervisor.ts";
import type { Request } from "../request.ts";
import { type Instruction, ScriptedVcpu } from "./scripted-vcpu.ts";

/** One memory for all machines of a test file: the host reserves much address space for each. */
let shared: GuestMemory | undefined;

function freshMemory(): GuestMemory {
  shared ??= new GuestMemory(2 ** 30);
  shared.u8.fill(0, 0, 0x10_0000);
  shared.u8.fill(0, 0x3ee0_0000, 0x3f20_0000);
  return shared;
}

export class TestMachine {
  readonly vcpus = [0, 1, 2, 3].map((index) => new ScriptedVcpu(index));
  readonly board: Board;
  /** The hypervisor's own lines. */
  readonly lines: string[] = [];
  readonly cellLines: [string, string][] = [];
  readonly serial: [string, number, string][] = [];
  readonly system: SystemConfig;
  #hypervisor: Hypervisor | undefined;

  constructor(revision: Revision = 12, change: Partial<SystemConfig> = {}) {
    this.board = new Board({ memory: freshMemory(), vcpus: this.vcpus });
    this.system = { ...q35(revision), ...change };
  }

  enable(options: Partial<HypervisorOptions> = {}): Result<Hypervisor> {
    const result = Hypervisor.enable(this.board, this.system, {
      consoleLine: (cell, line) => {
        if (cell === null) this.lines.push(line);
        else this.cellLines.push([cell, line]);
      },
      uartByte: (cell, port, byte) => this.serial.push([cell, port, String.fromCharCode(byte)]),
      ...options,
    });
    if (result.ok) this.#hypervisor = result.value;
    return result;
  }

  get hypervisor(): Hypervisor {
    if (this.#hypervisor === undefined) throw new Error("not enabled");
    return this.#hypervisor;
  }

  cpu(index: number): Cpu {
    return this.hypervisor.cpus[index];
  }

  /** The result of a request that must not wait. */
  now<T>(request: Request<T>): Result<T> {
    if (request.result === undefined) throw new Error("the request waits");
    return request.result;
  }

  /** Creates and starts a cell; its CPUs are where the cell starts. */
  startCell(config: CellConfig): Cell {
    const cell = expectOk(this.now(this.hypervisor.createCell(config)));
    expectOk(this.now(this.hypervisor.startCell(config.name)));
    return cell;
  }

  /** Lets a CPU execute instructions, and the machine run until it has. */
  execute(index: number, ...program: Instruction[]): ScriptedVcpu {
    const vcpu = this.vcpus[index];
    vcpu.program.push(...program);
    vcpu.halted = false;
    this.board.scheduler.run(this.board.clock.machineTime + 1000);
    return vcpu;
  }

  /** Lines since the last call. */
  newLines(): string[] {
    return this.lines.splice(0);
  }
}

/** An enabled machine; nothing of the enable messages is left in `lines`. */
export function enabled(
  revision: Revision = 12,
  change: Partial<SystemConfig> = {},
  options: Partial<HypervisorOptions> = {},
): TestMachine {
  const machine = new TestMachine(revision, change);
  expectOk(machine.enable(options));
  machine.newLines();
  return machine;
}

/** A demo's cell, changed. */
export function demo(
  name: Parameters<typeof demoCell>[0],
  revision: Revision = 12,
  change: Partial<CellConfig> = {},
): CellConfig {
  return { ...demoCell(name, revision), ...change };
}

export function expectOk<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.errno}: ${result.reason}`);
  return result.value;
}

export function errnoOf(result: Result<unknown>): string {
  return result.ok ? "success" : result.errno;
}

/** A q35 board with the real engine, and cells of machine code on it. */
import { commRegion, q35, ram } from "../../config/index.ts";
import type { CellConfig } from "../../config/types.ts";
import { GuestMemory } from "../../engine/guest-memory.ts";
import { WasmEngine } from "../../engine/wasm/engine.ts";
import { Board } from "../../machine/board.ts";
import type { Outcome } from "../../machine/scheduler.ts";
import type { Cell } from "../cell.ts";
import { Hypervisor } from "../hypervisor.ts";
import { expectOk } from "./machine.ts";

/** One for a test file: the host reserves much address space for each. */
let memory: GuestMemory | undefined;

/** Where the memory of two cells begins, 1 MiB each. */
export const CELL_RAM = 0x3ee0_0000;

/** RAM below and above the communication page at 0x8000 and the test page behind it. */
export const memoryRegions = (phys = CELL_RAM) => [
  ram({ phys, virt: 0, sizeBytes: 0x8000 }),
  commRegion({ virt: 0x8000 }),
  ram({ phys: phys + 0x10000, virt: 0x10000, sizeBytes: 0x10000 }),
];

/** An enabled machine of revision 12. */
export class RealMachine {
  readonly board: Board;
  readonly hypervisor: Hypervisor;
  /** Of the hypervisor's console. */
  readonly lines: string[] = [];
  /** What the cells sent through their serial ports, in order. */
  readonly serial: string[] = [];

  constructor() {
    memory ??= new GuestMemory(2 ** 30);
    memory.u8.fill(0, 0, 0x10_0000);
    memory.u8.fill(0, CELL_RAM, CELL_RAM + 0x40_0000);
    const engine = new WasmEngine(memory);
    const nowhere = {
      map: { find: () => undefined },
      moderator: { exit: () => "stop" as const },
      interrupts: { pending: () => -1, acknowledge: () => -1, taskPriority: 0 },
    };
    const vcpus = [0, 1, 2, 3].map((index) => engine.createVcpu(index, nowhere));
    this.board = new Board({ memory, vcpus });
    this.hypervisor = expectOk(
      Hypervisor.enable(this.board, q35(12), {
        consoleLine: (_, line) => this.lines.push(line),
        uartByte: (_cell, _port, byte) => this.serial.push(String.fromCharCode(byte)),
      }),
    );
    this.lines.length = 0;
  }

  /** For a virtual millisecond. */
  run(): Outcome {
    return this.board.scheduler.run(this.board.clock.machineTime + 1_000_000);
  }

  /** Creates, loads and starts a cell. @param code hexadecimal bytes by guest-physical address */
  startCell(config: CellConfig, code: Readonly<Record<number, string>>): Cell {
    const { hypervisor } = this;
    expectOk(hypervisor.settle(hypervisor.createCell(config), 0));
    expectOk(hypervisor.settle(hypervisor.setLoadable(config.name), 0));
    for (const [address, hex] of Object.entries(code)) {
      const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
      expectOk(hypervisor.loadImage(config.name, bytes, Number(address)));
    }
    expectOk(hypervisor.settle(hypervisor.startCell(config.name), 0));
    return expectOk(hypervisor.cell(config.name));
  }
}

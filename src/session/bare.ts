/**
 * One bare CPU on a board, without a hypervisor: for trying code, and for kernels that come with a
 * multiboot header.
 */
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Registers, Vcpu } from "../engine/vcpu.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import { type InspectedInstruction, instructionAtRip } from "../engine/x86/inspect.ts";
import { Board, type BoardState } from "../machine/board.ts";
import type { ByteSink } from "../machine/device.ts";
import { DEFAULT_FLAT_ADDRESS, enterFlatMode, FLAT_TABLES, type FlatMode } from "./flat.ts";
import { enterMultiboot, placeMultiboot, readMultiboot } from "./multiboot.ts";
import { type RegisterReport, registerReport } from "./registers.ts";
import { ScenarioError } from "./scenario.ts";
import { backingBytes, type RamRange, SparseRam } from "./sparse-ram.ts";
import { UNCONNECTED } from "./unconnected.ts";
import { HOST_CLOCK, Pace, type WallClock } from "./wall-clock.ts";

/** Writing V here ends the machine with status (V << 1) | 1, as QEMU's isa-debug-exit does. */
export const DEBUG_EXIT_PORT = 0xf4;

export interface BareReport {
  /**
   * - `halt`: flat code executed HLT; a kernel executed it with interrupts off.
   * - `exit`: by the debug exit port.
   * - `reset`, `power-off`: asked for through the chipset.
   * - `instructions`, `time`: the limits of the run.
   */
  readonly ended:
    | "halt"
    | "triple-fault"
    | "exit"
    | "reset"
    | "power-off"
    | "instructions"
    | "time"
    | "interrupted";
  /** 0 unless `exit`. */
  readonly exitStatus: number;
  readonly virtualNs: number;
  readonly instructions: number;
  readonly registers: RegisterReport;
  /** After a triple fault: what led to it, if it can be read at RIP. */
  readonly instruction?: InspectedInstruction;
}

/** Where a run ends at the latest. */
export interface BareLimits {
  /** Virtual time since power-on, nanoseconds. */
  readonly ns?: number;
  /** Instructions from now on, counted as `retired` of a vCPU: the delivery of an exception is one. */
  readonly instructions?: number;
}

const RFLAGS_IF = 1n << 9n;
/** A fixed grid of looks at whether it has ended: the same end on every host. */
const SLICE_NS = 1_000_000;

export class BareMachine {
  readonly board: Board;
  readonly #vcpu: Vcpu;
  readonly #ramBytes: number;
  readonly #ranges: readonly RamRange[];
  readonly #ram: SparseRam;
  readonly #atPowerOn: BoardState;
  #exitStatus: number | undefined;
  #tripleFault = false;
  #haltEnds = false;
  readonly #interrupts: Vcpu["interrupts"];

  /**
   * @param ramBytes multiple of 4096, at least 1 MiB
   * @param com1 gets what is sent through the first serial port
   * @param ranges further RAM, multiples of 4096 below 512 GiB; where chips answer it hides them
   * @throws RangeError if the board cannot have that much RAM, or not there
   */
  constructor(ramBytes: number, com1: ByteSink, ranges: readonly RamRange[] = []) {
    if (ramBytes < 0x100000) throw new RangeError("a machine has at least 1 MiB of RAM");
    const memory = new GuestMemory(ramBytes + backingBytes(ranges, ramBytes));
    this.#ramBytes = ramBytes;
    this.#ranges = ranges;
    this.#vcpu = new WasmEngine(memory).createVcpu(0, UNCONNECTED);
    this.board = new Board({ memory, vcpus: [this.#vcpu], serial: [com1] });
    this.board.portBus.claim("debug exit", DEBUG_EXIT_PORT, 4, {
      portRead: () => 0,
      portWrite: (_port, _width, value) => {
        this.#exitStatus = ((value << 1) | 1) >>> 0;
        this.board.scheduler.stop();
      },
    });
    this.board.onStop = (cpu, stop) => {
      this.#tripleFault ||= stop.kind === "triple-fault";
      return this.board.bareCpus.stopped(cpu, stop);
    };
    this.#ram = new SparseRam(ramBytes, ranges, memory.ramBytes);
    this.#vcpu.map = this.#ram;
    this.#interrupts = this.#vcpu.interrupts;
    this.#atPowerOn = this.board.save();
  }

  /** Everything as it was when it was made, RAM all zero: for the next of many programs. */
  powerCycle(): void {
    const { memory } = this.board;
    this.#ram.clear();
    memory.u8.fill(0);
    this.#vcpu.memoryChanged(0, memory.ramBytes);
    this.#vcpu.interrupts = this.#interrupts;
    this.board.load(this.#atPowerOn);
    this.board.powerRequest = undefined;
    this.#exitStatus = undefined;
    this.#tripleFault = this.#haltEnds = false;
  }

  /** Bytes into RAM at a guest-physical address. @throws ScenarioError where there is none */
  write(address: number, bytes: Uint8Array): void {
    this.#pieces(address, bytes.length, (host, size, offset) => {
      this.board.memory.bytes(host, size).set(bytes.subarray(offset, offset + size));
      this.#vcpu.memoryChanged(host, size);
    });
  }

  /** Bytes of RAM at a guest-physical address. @throws ScenarioError where there is none */
  read(address: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    this.#pieces(address, size, (host, length, offset) => {
      bytes.set(this.board.memory.bytes(host, length), offset);
    });
    return bytes;
  }

  #pieces(
    address: number,
    size: number,
    each: (host: number, size: number, offset: number) => void,
  ): void {
    for (let offset = 0; offset < size; ) {
      const from = address + offset;
      const region = this.#ram.find(from);
      if (region === undefined)
        throw new ScenarioError(
          `${size} bytes at 0x${address.toString(16)}: there is no RAM at 0x${from.toString(16)}`,
        );
      const length = Math.min(size - offset, region.guest + region.size - from);
      each(region.host + from - region.guest, length, offset);
      offset += length;
    }
  }

  get registers(): Registers {
    return this.#vcpu.registers;
  }

  /**
   * Flat code, entered at its first byte in the given mode. The first HLT ends it.
   * @throws ScenarioError if it does not fit, or lies where the mode keeps its tables
   */
  loadFlat(code: Uint8Array, mode: FlatMode, at = DEFAULT_FLAT_ADDRESS[mode]): void {
    const { memory } = this.board;
    const end = at + code.length;
    const where = `code of ${code.length} bytes at 0x${at.toString(16)}`;
    const { start: tables, end: tablesEnd } = FLAT_TABLES;
    if (at <= this.#ramBytes && end > this.#ramBytes)
      throw new ScenarioError(
        `${where} does not fit into RAM of 0x${this.#ramBytes.toString(16)} bytes`,
      );
    if (mode === 16 && at > 0x10ffef)
      throw new ScenarioError(`${where} cannot be reached in 16-bit mode: at most 0x10ffef`);
    if (mode !== 16 && at < tablesEnd && end > tables)
      throw new ScenarioError(
        `${where} overlaps the descriptor and page tables of ${mode}-bit mode, ` +
          `0x${tables.toString(16)} to 0x${(tablesEnd - 1).toString(16)}`,
      );
    this.write(at, code);
    enterFlatMode(this.registers, memory, mode, at, this.#ranges);
    this.#haltEnds = true;
    const interrupts = this.#interrupts;
    this.#vcpu.interrupts = {
      // no interrupt wakes it, so that the end is seen
      pending: () => (this.#vcpu.halted ? -1 : interrupts.pending()),
      acknowledge: () => interrupts.acknowledge(),
      get taskPriority() {
        return interrupts.taskPriority;
      },
      set taskPriority(value) {
        interrupts.taskPriority = value;
      },
    };
  }

  /**
   * A kernel with a multiboot header, entered as the specification says.
   * @throws MultibootError or ElfError
   */
  loadMultiboot(file: Uint8Array, commandLine: string): void {
    const image = readMultiboot(file);
    placeMultiboot(image, this.board.memory);
    enterMultiboot(image, this.registers, this.board.memory, commandLine);
  }

  /**
   * Runs to the end.
   * @param pausing called now and then, before the host gets its turn
   */
  async run(
    limits: BareLimits = {},
    interrupt?: AbortSignal,
    pausing: () => void = () => {},
    wallClock: WallClock = HOST_CLOCK,
  ): Promise<BareReport> {
    const { clock, scheduler } = this.board;
    const { ns: forNs = Number.POSITIVE_INFINITY, instructions } = limits;
    const lastInstruction = this.#stopAfter(instructions);
    const pace = new Pace(wallClock, false, 0);
    for (;;) {
      const slice = (Math.floor(clock.now / SLICE_NS) + 1) * SLICE_NS;
      scheduler.run(Math.min(slice, forNs));
      const ended = this.#ending();
      if (ended !== undefined) return this.report(ended);
      if (this.#vcpu.retired >= lastInstruction) return this.report("instructions");
      if (clock.now >= forNs) return this.report("time");
      if (interrupt?.aborted) return this.report("interrupted");
      const wait = pace.wait(clock.now);
      if (wait === undefined) continue;
      pausing();
      await wait;
    }
  }

  /**
   * Runs so many instructions and comes back at once, for trying thousands of them a second: set
   * `registers`, {@link write} memory, step, look at both.
   * @returns why it ended; "instructions" if nothing else did
   */
  step(instructions = 1): BareReport["ended"] {
    const last = this.#stopAfter(instructions);
    const outcome = this.board.scheduler.run(Number.POSITIVE_INFINITY);
    const ended = this.#ending();
    if (ended === undefined && outcome === "idle" && this.#vcpu.retired < last) return "halt";
    return ended ?? "instructions";
  }

  #stopAfter(instructions = Number.POSITIVE_INFINITY): number {
    const last = this.#vcpu.retired + instructions;
    this.board.scheduler.stopAt(0, last);
    return last;
  }

  #ending(): BareReport["ended"] | undefined {
    if (this.#exitStatus !== undefined) return "exit";
    if (this.#tripleFault) return "triple-fault";
    const { powerRequest } = this.board;
    if (powerRequest !== undefined) return powerRequest.kind === "reset" ? "reset" : "power-off";
    const { halted, registers } = this.#vcpu;
    if (!halted) return undefined;
    const interruptible = (registers.get("rflags") & RFLAGS_IF) !== 0n;
    return this.#haltEnds || !interruptible ? "halt" : undefined;
  }

  report(ended: BareReport["ended"]): BareReport {
    const instruction =
      ended === "triple-fault" ? instructionAtRip(this.#vcpu, this.board.memory) : undefined;
    return {
      ended,
      exitStatus: this.#exitStatus ?? 0,
      virtualNs: this.board.clock.now,
      instructions: this.#vcpu.retired,
      registers: registerReport(this.registers),
      ...(instruction && { instruction }),
    };
  }
}

/**
 * A board without a hypervisor: one bare CPU for trying code, or as many as are wanted for kernels
 * that come with a multiboot header. Beside the board's own chips stand those that kernels made for
 * testing look for: fw_cfg, the debug exit port, and pc-testdev.
 */
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Registers, Vcpu } from "../engine/vcpu.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import type { Jit } from "../engine/wasm/regions/jit.ts";
import { type InspectedInstruction, instructionAtRip } from "../engine/x86/inspect.ts";
import { Board, type BoardState } from "../machine/board.ts";
import type { ByteSink, PortDevice } from "../machine/device.ts";
import { setUpAsFirmware } from "../machine/firmware.ts";
import { FW_CFG_PORTS, FwCfg, type FwCfgState } from "../machine/fw-cfg.ts";
import { PcTestdev, type PcTestdevState } from "../machine/pc-testdev.ts";
import {
  DEFAULT_FLAT_ADDRESS,
  enterFlatMode,
  FLAT_TABLE_BYTES,
  type FlatMode,
  type FlatPrivilege,
} from "./flat.ts";
import { type BootModule, enterMultiboot, readMultiboot } from "./multiboot.ts";
import { type RegisterReport, registerReport } from "./registers.ts";
import { ScenarioError } from "./scenario.ts";
import { sliceEnd } from "./slice.ts";
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
  /** Of all CPUs. */
  readonly instructions: number;
  /** Of the first CPU; after a triple fault of the one it happened to. */
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

export class BareMachine {
  readonly board: Board;
  readonly #vcpu: Vcpu;
  readonly #ramBytes: number;
  readonly #ranges: readonly RamRange[];
  readonly #ram: SparseRam;
  readonly #testdev: PcTestdev;
  readonly #fwCfg: FwCfg;
  readonly #atPowerOn: { board: BoardState; testdev: PcTestdevState; fwCfg: FwCfgState };
  #exitStatus: number | undefined;
  #tripleFault: Vcpu | undefined;
  #haltEnds = false;
  readonly #interrupts: Vcpu["interrupts"];

  /**
   * @param ramBytes multiple of 4096, at least 1 MiB
   * @param com1 gets what is sent through the first serial port
   * @param ranges further RAM for flat code, multiples of 4096 below 512 GiB; it hides chips there
   * @param cpus the first one runs, the others wait for their start-up message
   * @throws RangeError if the board cannot have that much RAM, or not there, or so many CPUs
   */
  constructor(
    ramBytes: number,
    com1: ByteSink,
    ranges: readonly RamRange[] = [],
    cpus = 1,
    jit?: Jit,
  ) {
    if (ramBytes < 0x100000) throw new RangeError("a machine has at least 1 MiB of RAM");
    const memory = new GuestMemory(ramBytes + backingBytes(ranges, ramBytes));
    this.#ramBytes = ramBytes;
    this.#ranges = ranges;
    const engine = new WasmEngine(memory, jit);
    const vcpus = Array.from({ length: cpus }, (_, cpu) => engine.createVcpu(cpu, UNCONNECTED));
    this.board = new Board({ memory, vcpus, serial: [com1] });
    this.#vcpu = vcpus[0];
    const debugExit: PortDevice = {
      portRead: () => 0,
      portWrite: (_port, _width, value) => {
        this.#exitStatus ??= ((value << 1) | 1) >>> 0;
        this.board.scheduler.stop();
      },
    };
    this.board.portBus.claim("debug exit", DEBUG_EXIT_PORT, 4, debugExit, 4);
    this.#fwCfg = new FwCfg(ramBytes, cpus);
    this.board.portBus.claim("fw_cfg", FW_CFG_PORTS.first, FW_CFG_PORTS.count, this.#fwCfg, 2);
    const { irqs, ioapic, portBus, memoryBus } = this.board;
    this.#testdev = new PcTestdev([...irqs, ...ioapic.pins.slice(irqs.length)], () => {
      for (const vcpu of vcpus) vcpu.mapChanged();
    });
    this.#testdev.plugInto(portBus, memoryBus);
    this.board.onStop = (cpu, stop) => {
      if (stop.kind === "triple-fault") {
        this.#tripleFault ??= vcpus[cpu];
        this.board.scheduler.stop();
      }
      return this.board.bareCpus.stopped(cpu, stop);
    };
    this.#ram = new SparseRam(ramBytes, ranges, memory.ramBytes);
    for (const vcpu of vcpus) vcpu.map = this.#ram;
    this.#interrupts = this.#vcpu.interrupts;
    this.#atPowerOn = {
      board: this.board.save(),
      testdev: this.#testdev.save(),
      fwCfg: this.#fwCfg.save(),
    };
  }

  /** Everything as it was when it was made, RAM all zero: for the next of many programs. */
  powerCycle(): void {
    const { memory } = this.board;
    memory.u8.fill(0, 0, this.#ram.clear());
    this.#vcpu.memoryChanged(0, memory.ramBytes);
    this.#vcpu.interrupts = this.#interrupts;
    this.board.load(this.#atPowerOn.board);
    this.#testdev.load(this.#atPowerOn.testdev);
    this.#fwCfg.load(this.#atPowerOn.fwCfg);
    this.board.powerRequest = undefined;
    this.#exitStatus = this.#tripleFault = undefined;
    this.#haltEnds = false;
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
   * Flat code, entered at its first byte in the given mode. The first HLT ends it, at privilege
   * level 3 too, where no CPU executes it.
   * @throws ScenarioError if it does not fit, or lies where the mode keeps its tables
   */
  loadFlat(
    code: Uint8Array,
    mode: FlatMode,
    at = DEFAULT_FLAT_ADDRESS[mode],
    privilege: FlatPrivilege = 0,
  ): void {
    if (mode === 16 && privilege !== 0)
      throw new ScenarioError("16-bit mode is real mode: there are no privilege levels");
    const { memory } = this.board;
    const end = at + code.length;
    const where = `code of ${code.length} bytes at 0x${at.toString(16)}`;
    const tables = this.#ramBytes - FLAT_TABLE_BYTES;
    if (at <= this.#ramBytes && end > this.#ramBytes)
      throw new ScenarioError(
        `${where} does not fit into RAM of 0x${this.#ramBytes.toString(16)} bytes`,
      );
    if (mode === 16 && at > 0x10ffef)
      throw new ScenarioError(`${where} cannot be reached in 16-bit mode: at most 0x10ffef`);
    if (mode !== 16 && at < this.#ramBytes && end > tables)
      throw new ScenarioError(
        `${where} overlaps the descriptor and page tables of ${mode}-bit mode, ` +
          `0x${tables.toString(16)} to 0x${(this.#ramBytes - 1).toString(16)}`,
      );
    this.write(at, code);
    enterFlatMode(this.registers, memory, mode, at, this.#ramBytes, this.#ranges, privilege);
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
   * A kernel with a multiboot header, entered as the specification says, on a board set up by firmware;
   * before anything else has run, or after {@link powerCycle}.
   * @throws MultibootError or ElfError
   */
  loadMultiboot(file: Uint8Array, commandLine: string, modules: readonly BootModule[] = []): void {
    const image = readMultiboot(file);
    setUpAsFirmware(this.board);
    enterMultiboot(image, this.registers, this.board.memory, commandLine, modules);
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
      const end = Math.min(sliceEnd(clock.now), forNs);
      const part = Math.min(end, clock.now + pace.partNs);
      // whether it has ended is decided at the end of a slice
      if (scheduler.run(part) !== "deadline" || part === end) {
        const ended = this.#ending();
        if (ended !== undefined) return this.report(ended);
        if (this.#vcpu.retired >= lastInstruction) return this.report("instructions");
        if (clock.now >= forNs) return this.report("time");
      }
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
    if (this.#tripleFault !== undefined) return this.#userHalt() ? "halt" : "triple-fault";
    const { powerRequest } = this.board;
    if (powerRequest !== undefined) return powerRequest.kind === "reset" ? "reset" : "power-off";
    if (this.#haltEnds && this.#vcpu.halted) return "halt";
    // an NMI that another CPU sends would wake it
    const over = this.board.vcpus.every(
      ({ index, halted, registers }) =>
        !this.board.scheduler.isOnline(index) ||
        (halted && (registers.get("rflags") & RFLAGS_IF) === 0n),
    );
    return over ? "halt" : undefined;
  }

  /** Whether flat code at privilege level 3 came to a HLT; RIP is then behind it, as at level 0. */
  #userHalt(): boolean {
    const { registers } = this.#vcpu;
    if (!this.#haltEnds || registers.privilegeLevel !== 3) return false;
    const instruction = instructionAtRip(this.#vcpu, this.board.memory);
    if (instruction?.text !== "hlt") return false;
    const length = instruction.bytes.split(" ").length;
    registers.set("rip", registers.get("rip") + BigInt(length));
    this.#tripleFault = undefined;
    this.#vcpu.halted = true;
    return true;
  }

  report(ended: BareReport["ended"]): BareReport {
    const vcpu = this.#tripleFault ?? this.#vcpu;
    const instruction =
      ended === "triple-fault" ? instructionAtRip(vcpu, this.board.memory) : undefined;
    return {
      ended,
      exitStatus: this.#exitStatus ?? 0,
      virtualNs: this.board.clock.now,
      instructions: this.board.vcpus.reduce((sum, { retired }) => sum + retired, 0),
      registers: registerReport(vcpu.registers),
      ...(instruction && { instruction }),
    };
  }
}

/**
 * One bare CPU on a board, without a hypervisor: for trying code, and for kernels that come with a
 * multiboot header.
 */
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Registers, Vcpu } from "../engine/vcpu.ts";
import type { ByteSink, PortDevice } from "../machine/device.ts";
import { DEFAULT_FLAT_ADDRESS, enterFlatMode, FLAT_TABLES, type FlatMode } from "./flat.ts";
import { enterMultiboot, placeMultiboot, readMultiboot } from "./multiboot.ts";
import { type RegisterReport, registerReport } from "./registers.ts";
import { ScenarioError } from "./scenario.ts";
import { HOST_CLOCK, Pace, type WallClock } from "./wall-clock.ts";

/** Writing V here ends the machine with status (V << 1) | 1, as QEMU's isa-debug-exit does. */
export const DEBUG_EXIT_PORT = 0xf4;

export interface BareReport {
  /** `halt`: flat code executed HLT; a kernel executed it with interrupts off. `exit`: by the debug exit port. */
  readonly ended: "halt" | "triple-fault" | "exit" | "time" | "interrupted";
  /** 0 unless `exit`. */
  readonly exitStatus: number;
  readonly virtualNs: number;
  readonly instructions: number;
  readonly registers: RegisterReport;
}

const RFLAGS_IF = 1n << 9n;
const SLICE_NS = 1_000_000;

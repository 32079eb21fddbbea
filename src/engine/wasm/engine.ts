import type { GuestMemory } from "../guest-memory.ts";
import type { InterruptController, MemoryMap, Moderator } from "../vcpu.ts";
import { deviceAccess, fillTlb, slowAccess } from "../x86/access.ts";
import { ABANDON, type Core } from "../x86/core.ts";
import { HELPERS } from "../x86/helpers/index.ts";
import { portIn, portOut } from "../x86/helpers/io.ts";
import { instructionsLeft, nextRip } from "../x86/position.ts";
import { segmentViolation } from "../x86/segments.ts";
import {
  ATTENTION,
  Leave,
  MAXIMUM_VCPUS,
  RECORD,
  RIP,
  VCPU_BYTES,
  VCPUS_START,
} from "../x86/state.ts";
import { DELIVERY } from "./base-module.ts";
import { baseModuleBytes } from "./base-module-bytes.ts";
import { Blocks } from "./blocks.ts";
import { addRareFunctions } from "./rare-functions.ts";
import { type Jit, usualJit } from "./regions/jit.ts";
import { Regions } from "./regions/regions.ts";
import { Templates } from "./templates.ts";
import { WasmVcpu } from "./vcpu.ts";

/** V8 folds no imported constants. */
const FIRST_VCPU = VCPUS_START;
const VCPU_SHIFT = Math.log2(VCPU_BYTES);
const RECORD_WORD = RECORD >> 2;

/** Table slots to begin with; it grows. */
const TABLE_SLOTS = 8192;

/** The reason to leave for an instruction that threw. */
function abandoned(core: Core, problem: unknown): Leave {
  if (problem !== ABANDON) throw problem;
  return core.abandoned();
}

/** What a vCPU starts from; everything can be replaced later. */
export interface VcpuSurroundings {
  map: MemoryMap;
  moderator: Moderator;
  interrupts: InterruptController;
}

/** Enters guest code: returns why it came back. All but `single` go on in the handlers of exceptions. */
export interface GuestCode {
  /** At a block's record. */
  readonly enter: (cpu: number, record: number) => Leave;
  readonly single: (cpu: number, record: number) => Leave;
  /** At a block's record in tier 0, compiled or not. */
  readonly header: (cpu: number, record: number) => Leave;
  /** At RIP, if the jump cache knows it. */
  readonly jump: (cpu: number) => Leave;
  /** Not guest code: delivers an interrupt or exception, as interrupt-quick.ts says. */
  readonly deliver: (
    cpu: number,
    record: number,
    vector: number,
    errorCode: number,
    cause: number,
  ) => number;
}

/**
 * The software engine of one machine: its memory, the templates and decoded
 * blocks that all vCPUs share, and the functions that generated code calls.
 */
export class WasmEngine {
  readonly memory: GuestMemory;
  readonly blocks: Blocks;
  readonly templates: Templates;
  readonly regions: Regions;
  readonly code: GuestCode;
  private readonly cores: (Core | undefined)[] = new Array(MAXIMUM_VCPUS).fill(undefined);

  constructor(memory: GuestMemory, jit: Jit = usualJit.mode) {
    this.memory = memory;
    const table = new WebAssembly.Table({ element: "anyfunc", initial: TABLE_SLOTS });
    const module = new WebAssembly.Module(baseModuleBytes());
    const functions = this.functions();
    const { access_in_typescript, device_access, fill_tlb_in_typescript } = functions;
    const base = new WebAssembly.Instance(module, {
      env: {
        memory: memory.memory,
        table,
        access_in_typescript: access_in_typescript as WebAssembly.ImportValue,
        device_access: device_access as WebAssembly.ImportValue,
        fill_tlb_in_typescript: fill_tlb_in_typescript as WebAssembly.ImportValue,
      },
    });
    const { exports } = base;
    this.code = {
      enter: exports.run_record,
      single: exports.run_single,
      header: exports.run_header,
      jump: exports.run,
      deliver: exports[DELIVERY.name],
    } as GuestCode;
    for (const [name, value] of Object.entries(exports)) {
      if (name in functions) throw new Error(`templates have two functions to call by "${name}"`);
      functions[name] = value;
    }
    addRareFunctions(functions, memory.memory, table);
    this.templates = new Templates(memory.memory, table, functions);
    this.blocks = new Blocks(memory, this.templates, this.cores);
    this.regions = new Regions(memory, table, functions, this.blocks, this.templates, jit);
  }

  /** @throws RangeError if the index is taken or out of range */
  createVcpu(index: number, surroundings: VcpuSurroundings): WasmVcpu {
    if (!(index >= 0 && index < MAXIMUM_VCPUS) || this.cores[index] !== undefined)
      throw new RangeError(`vCPU ${index}: must be an unused number below ${MAXIMUM_VCPUS}`);
    const vcpu = new WasmVcpu(this, index, surroundings);
    this.cores[index] = vcpu.core;
    vcpu.reset();
    return vcpu;
  }

  /**
   * What a template calls, from a function over the vCPU's state: RECORD says who called, and an
   * abandoned instruction becomes a reason to leave.
   */
  private callable(
    action: (core: Core, record: number, first: number, second: number) => number,
  ): (cpu: number, record: number, first: number, second: number) => number {
    return (cpu, record, first, second) => {
      const core = this.cores[(cpu - FIRST_VCPU) >> VCPU_SHIFT] as Core;
      core.i32[RECORD_WORD] = record;
      try {
        return action(core, record, first, second);
      } catch (problem) {
        return abandoned(core, problem);
      }
    };
  }

  /** The TypeScript functions that guest code calls, by name. */
  private functions(): Record<string, WebAssembly.ExportValue> {
    const { cores } = this;
    const functions: Record<string, WebAssembly.ExportValue> = {
      access_in_typescript: this.callable((core, _record, kind) => slowAccess(core, kind)),
      // not by `callable`: V8 compiles a function for all that are made there, and inlines nothing
      device_access: (cpu: number, record: number, kind: number, entry: number) => {
        const core = cores[(cpu - FIRST_VCPU) >> VCPU_SHIFT] as Core;
        core.i32[RECORD_WORD] = record;
        try {
          return deviceAccess(core, kind, entry);
        } catch (problem) {
          return abandoned(core, problem);
        }
      },
      port_in: (cpu: number, record: number, access: number) => {
        const core = cores[(cpu - FIRST_VCPU) >> VCPU_SHIFT] as Core;
        core.i32[RECORD_WORD] = record;
        try {
          return portIn(core, access);
        } catch (problem) {
          return abandoned(core, problem);
        }
      },
      port_out: (cpu: number, record: number, access: number, value: number) => {
        const core = cores[(cpu - FIRST_VCPU) >> VCPU_SHIFT] as Core;
        core.i32[RECORD_WORD] = record;
        try {
          return portOut(core, access, value);
        } catch (problem) {
          return abandoned(core, problem);
        }
      },
      fill_tlb_in_typescript: (cpu: number, kind: number) =>
        fillTlb(this.cores[(cpu - VCPUS_START) / VCPU_BYTES] as Core, kind) ? 1 : 0,
      segment_violation: this.callable((core, _record, segment, kind) =>
        segmentViolation(core, segment, kind),
      ),
      interrupted: this.callable((core, record) => {
        // Stop behind the instruction at `record`, in the middle of its block.
        core.budget += instructionsLeft(core, record) - 1;
        core.setAddress(RIP, nextRip(core, record));
        return Leave.dispatch;
      }),
    };
    for (const [name, helper] of Object.entries(HELPERS)) functions[name] = this.callable(helper);
    return functions;
  }

  /** Forget code decoded from bytes that were changed, by a vCPU or from outside: then any may be running it. */
  codeChanged(core: Core | undefined, hostAddress: number, size: number): void {
    this.blocks.invalidate(hostAddress, size);
    if (core !== undefined) core.set(ATTENTION, 1);
    else for (const each of this.cores) each?.set(ATTENTION, 1);
  }
}

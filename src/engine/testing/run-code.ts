import { GuestMemory } from "../guest-memory.ts";
import {
  EXECUTE,
  type Exit,
  type MemoryMap,
  type Moderator,
  READ,
  type Vcpu,
  type Verdict,
  WRITE,
} from "../vcpu.ts";
import { WasmEngine } from "../wasm/engine.ts";
import type { Jit } from "../wasm/regions/jit.ts";
import type { WasmVcpu } from "../wasm/vcpu.ts";

/** One bare vCPU over flat RAM at address 0, for tests of the engine. */
export interface Bare {
  readonly engine: WasmEngine;
  readonly vcpu: WasmVcpu;
  readonly memory: GuestMemory;
  /** Every exit seen, copied. */
  readonly exits: Exit[];
}

export interface BareOptions {
  ramBytes?: number;
  jit?: Jit;
  /** Decides exits that are not recorded and granted by default. */
  exit?: (exit: Exit, vcpu: Vcpu) => Verdict;
}

/** A vCPU after reset in `ramBytes` (default 4 MiB) of RAM; every exit is `native` or reads as zero. */
export function bare(options: BareOptions = {}): Bare {
  const memory = new GuestMemory(options.ramBytes ?? 4 * 1024 * 1024);
  const engine = new WasmEngine(memory, options.jit);
  const region = { guest: 0, size: memory.ramBytes, host: 0, rights: READ | WRITE | EXECUTE };
  const map: MemoryMap = { find: (address) => (address < memory.ramBytes ? region : undefined) };
  const exits: Exit[] = [];
  const moderator: Moderator = {
    exit(vcpu, exit) {
      if (exits.length < 10_000) exits.push({ ...exit });
      if (options.exit !== undefined) return options.exit(exit, vcpu);
      switch (exit.kind) {
        case "msr-read":
        case "msr-write":
        case "cpuid":
        case "xsetbv":
        case "special-instruction":
          return "native";
        case "memory-fetch":
          return "stop";
        case "hypercall":
          return "undefined";
        default:
          return "done";
      }
    },
  };
  const interrupts = { pending: () => -1, acknowledge: () => 0, taskPriority: 0 };
  const vcpu = engine.createVcpu(0, { map, moderator, interrupts });
  return { engine, vcpu, memory, exits };
}

/** Put the vCPU in 64-bit mode, CPL 0, with the first GiB identity-mapped by tables at 0x1000. */
export function enterLongMode({ vcpu, memory }: Bare): void {
  const { registers } = vcpu;
  memory.view.setUint32(0x1000, 0x2007, true);
  memory.view.setUint32(0x2000, 0x3007, true);
  for (let k = 0; k < 512; k++) memory.view.setUint32(0x3000 + 8 * k, (k * 0x20_0000) | 0x87, true);
  registers.set("cr3", 0x1000n);
  registers.set("cr4", 0x620n);
  registers.set("efer", 0xd01n);
  registers.set("cr0", 0x8001_0033n);
  for (const name of ["es", "ss", "ds", "fs", "gs"] as const)
    registers.setSegment(name, {
      selector: 0x10,
      base: 0n,
      limit: 0xffff_ffff,
      attributes: 0xc093,
    });
  registers.setSegment("cs", { selector: 0x8, base: 0n, limit: 0xffff_ffff, attributes: 0xa09b });
  registers.set("rflags", 2n);
}

/** Flat 32-bit protected mode without paging, CPL 0. */
export function enterProtectedMode({ vcpu }: Bare): void {
  const { registers } = vcpu;
  registers.set("cr4", 0x600n);
  registers.set("cr0", 0x33n);
  for (const name of ["es", "ss", "ds", "fs", "gs"] as const)
    registers.setSegment(name, {
      selector: 0x10,
      base: 0n,
      limit: 0xffff_ffff,
      attributes: 0xc093,
    });
  registers.setSegment("cs", { selector: 0x8, base: 0n, limit: 0xffff_ffff, attributes: 0xc09b });
  registers.set("rflags", 2n);
}

/** Real mode with flat segments at 0. */
export function enterRealMode({ vcpu }: Bare): void {
  const { registers } = vcpu;
  for (const name of ["es", "ss", "ds", "fs", "gs"] as const)
    registers.setSegment(name, { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 });
  registers.setSegment("cs", { selector: 0, base: 0n, limit: 0xffff, attributes: 0x9b });
  registers.set("cr4", 0x600n);
  registers.set("rflags", 2n);
}

/** Load code and set RIP to it. */
export function load({ vcpu, memory }: Bare, address: number, code: ArrayLike<number>): void {
  memory.u8.set(code, address);
  vcpu.memoryChanged(address, code.length);
  vcpu.registers.set("rip", BigInt(address));
}

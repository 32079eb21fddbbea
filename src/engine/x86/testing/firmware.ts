import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GuestMemory } from "../../guest-memory.ts";
import {
  EXECUTE,
  type InterruptController,
  type MemoryMap,
  type Moderator,
  READ,
  type Stop,
  WRITE,
} from "../../vcpu.ts";
import { WasmEngine } from "../../wasm/engine.ts";
import type { Jit } from "../../wasm/regions/jit.ts";

/**
 * Programs that run from the reset vector and log to the debug console port,
 * here and in QEMU. An image has 64 KiB and ends at 1 MiB and at 4 GiB.
 */

const IMAGE_BYTES = 0x1_0000;
const RAM_BYTES = 16 * 1024 * 1024;
const DEBUG_PORT = 0xe9;
const EXIT_PORT = 0xf4;
const SLICES = 1000;
const SLICE_INSTRUCTIONS = 100_000;

/** Whether a program can be run. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ["--version"]).status === 0 || spawnSync(name, ["-v"]).status === 0;
}

/** Assemble a file of this folder with nasm. */
export function assemble(name: string, ...defines: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "firmware-"));
  try {
    const source = join(import.meta.dirname, name);
    const image = join(folder, "image");
    const include = ["-i", `${import.meta.dirname}/`];
    const options = ["-w-number-overflow", ...include, ...defines.map((define) => `-D${define}`)];
    const run = spawnSync("nasm", [...options, "-f", "bin", source, "-o", image]);
    if (run.status !== 0) throw new Error(`nasm ${name}: ${run.stderr}`);
    return readFileSync(image);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Numbers without leading zeros, lines without blanks at their end. */
function compact(log: string): string {
  return log
    .replace(/\b(E?)0+(?=[0-9a-f])/g, "$1")
    .replace(/ +$/gm, "")
    .trim();
}

/** What a program has logged, and how it came to an end. */
export interface Outcome {
  readonly log: string;
  readonly end: Stop;
}

/** The log of an image that ends well on one vCPU of the engine. */
export function runHere(image: Uint8Array, jit?: Jit): string {
  const { log, end } = outcomeHere(image, jit);
  if (end.kind !== "stopped") throw new Error(`${end.kind} after\n${log}`);
  return log;
}

/** Run an image on one vCPU of the engine. */
export function outcomeHere(image: Uint8Array, jit?: Jit): Outcome {
  const memory = new GuestMemory(RAM_BYTES);
  const rights = READ | WRITE | EXECUTE;
  const ram = { guest: 0, size: RAM_BYTES, host: 0, rights };
  const top = 2 ** 32 - IMAGE_BYTES;
  const rom = { guest: top, size: IMAGE_BYTES, host: 0x10_0000 - IMAGE_BYTES, rights };
  const map: MemoryMap = {
    find: (address) =>
      address < RAM_BYTES ? ram : address >= top && address < 2 ** 32 ? rom : undefined,
  };
  let log = "";
  const moderator: Moderator = {
    exit(_vcpu, exit) {
      switch (exit.kind) {
        case "port-write":
          if (exit.port === EXIT_PORT) return "stop";
          if (exit.port === DEBUG_PORT) log += String.fromCharCode(exit.value & 0xff);
          return "done";
        case "port-read":
          exit.value = 0xffff_ffff;
          return "done";
        case "memory-read":
        case "memory-write":
          return "done";
        case "memory-fetch":
          return "stop";
        case "hypercall":
          return "undefined";
        default:
          return "native";
      }
    },
  };
  const interrupts: InterruptController = {
    pending: () => -1,
    acknowledge: () => 0,
    taskPriority: 0,
  };
  const vcpu = new WasmEngine(memory, jit).createVcpu(0, { map, moderator, interrupts });
  memory.u8.set(image, 0x10_0000 - IMAGE_BYTES);
  vcpu.reset();
  for (let slice = 0; slice < SLICES; slice++) {
    const end = vcpu.run(SLICE_INSTRUCTIONS);
    if (end.kind !== "budget") return { log: compact(log), end };
  }
  throw new Error(`no end after\n${compact(log)}`);
}

/** Run an image in QEMU's translator: it exits with an odd number for the program, and with 0 instead of a reset. */
export function outcomeInQemu(image: Uint8Array): {
  readonly log: string;
  readonly end: "stopped" | "triple-fault";
} {
  const folder = mkdtempSync(join(tmpdir(), "firmware-"));
  try {
    const bios = join(folder, "image");
    const log = join(folder, "log");
    const options =
      `-accel tcg -cpu max -m 16 -bios ${bios} -display none -net none -no-reboot ` +
      `-chardev file,id=log,path=${log} -device isa-debugcon,iobase=0xe9,chardev=log ` +
      `-device isa-debug-exit,iobase=0xf4`;
    writeFileSync(bios, image);
    const { status } = spawnSync("qemu-system-x86_64", options.split(" "), { timeout: 20_000 });
    const text = compact(readFileSync(log, "latin1"));
    if (status === null) throw new Error(`QEMU: no end after\n${text}`);
    return { log: text, end: status === 0 ? "triple-fault" : "stopped" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

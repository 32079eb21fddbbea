/** Builds the guest, the native program and the WebAssembly module, in a folder of the caller. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { OPERATIONS } from "./workloads.ts";

const GUEST = join(import.meta.dirname, "guest");

/** For all of them: they are to run the same. */
const CODE = [
  "-O2",
  "-fno-math-errno",
  "-Wall",
  "-Wextra",
  "-Werror",
  `-DOPERATIONS=${OPERATIONS}`,
];
/** Of guest and native program: loops stay loops, where one of them has no C library to call. */
const GCC = [...CODE, "-fno-tree-loop-distribute-patterns"];
const FREESTANDING = ["-ffreestanding", "-fno-builtin"];
const BARE = [
  ...FREESTANDING,
  "-mno-red-zone",
  "-fno-pic",
  "-fno-stack-protector",
  "-fcf-protection=none",
  "-fno-asynchronous-unwind-tables",
];
const LINK = [
  "-static",
  "-nostdlib",
  "-no-pie",
  `-Wl,-T,${join(GUEST, "guest.ld")}`,
  "-Wl,--build-id=none,-z,max-page-size=4096",
];
const WASM = [
  ...FREESTANDING,
  "--target=wasm32",
  "-msimd128",
  "-mbulk-memory",
  "-nostdlib",
  "-Wl,--no-entry",
];

const RUN = "run.c";
const NATIVE = "native.c";
const WASM_HOST = "wasm.c";

/** Tools without which there is no guest; empty: it can be built. */
export const missingTools = (): string[] =>
  ["gcc", "objcopy"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

/** @returns path of a 32-bit ELF file with a multiboot header @throws Error with the tool's words */
export function buildGuest(folder: string): string {
  const wide = join(folder, "guest.elf64");
  const elf = join(folder, "guest.elf");
  const own = sources(".").filter((path) => !path.endsWith(NATIVE) && !path.endsWith(WASM_HOST));
  const all = [...own, ...sources("system"), ...sources("workloads")];
  run("gcc", [...GCC, ...BARE, ...LINK, "-o", wide, ...all]);
  // QEMU's multiboot loader takes no other
  run("objcopy", ["-O", "elf32-i386", wide, elf]);
  return elf;
}

/** @returns path of a program for this machine, or undefined: it is no x86-64 or has no C library */
export function buildNative(folder: string): string | undefined {
  if (process.arch !== "x64") return undefined;
  const program = join(folder, "native");
  const own = [NATIVE, RUN].map((name) => join(GUEST, name));
  return succeeds("gcc", [...GCC, "-o", program, ...own, ...sources("workloads")], program);
}

/** @returns path of a WebAssembly module, or undefined: there is no clang that makes them */
export function buildWasm(folder: string): string | undefined {
  const module = join(folder, "bench.wasm");
  const own = [WASM_HOST, RUN].map((name) => join(GUEST, name));
  const plainC = sources("workloads").filter((path) => path.endsWith(".c"));
  return succeeds("clang", [...CODE, ...WASM, "-o", module, ...own, ...plainC], module);
}

const sources = (folder: string) =>
  readdirSync(join(GUEST, folder))
    .filter((name) => /\.[cS]$/.test(name))
    .sort()
    .map((name) => join(GUEST, folder, name));

function succeeds(command: string, args: readonly string[], result: string): string | undefined {
  try {
    run(command, args);
  } catch {
    return undefined;
  }
  return result;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stderr}`);
}

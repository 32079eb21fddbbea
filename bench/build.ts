/** Builds the guest and the native program with gcc, in a folder of the caller. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { OPERATIONS } from "./workloads.ts";

const GUEST = join(import.meta.dirname, "guest");

/** Of guest and native program alike: they are to run the same instructions. */
const CODE = [
  "-O2",
  "-fno-math-errno",
  "-Wall",
  "-Wextra",
  "-Werror",
  `-DOPERATIONS=${OPERATIONS}`,
];
const FREESTANDING = [
  "-ffreestanding",
  "-fno-builtin",
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

/** Only for the program of the host. */
const NATIVE_SOURCE = "native.c";
/** Of both. */
const SHARED_SOURCE = "run.c";

/** Tools without which there is no guest; empty: it can be built. */
export const missingTools = (): string[] =>
  ["gcc", "objcopy"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

/** @returns path of a 32-bit ELF file with a multiboot header @throws Error with the tool's words */
export function buildGuest(folder: string): string {
  const wide = join(folder, "guest.elf64");
  const elf = join(folder, "guest.elf");
  const own = sources(GUEST).filter((path) => !path.endsWith(NATIVE_SOURCE));
  run("gcc", [...CODE, ...FREESTANDING, ...LINK, "-o", wide, ...own, ...workloads()]);
  // QEMU's multiboot loader takes no other
  run("objcopy", ["-O", "elf32-i386", wide, elf]);
  return elf;
}

/** @returns path of a program for this machine, or undefined: it is no x86-64 or has no C library */
export function buildNative(folder: string): string | undefined {
  if (process.arch !== "x64") return undefined;
  const program = join(folder, "native");
  const own = [NATIVE_SOURCE, SHARED_SOURCE].map((name) => join(GUEST, name));
  try {
    run("gcc", [...CODE, "-o", program, ...own, ...workloads()]);
  } catch {
    return undefined;
  }
  return program;
}

const workloads = () => sources(join(GUEST, "workloads"));

const sources = (folder: string) =>
  readdirSync(folder)
    .filter((name) => /\.[cS]$/.test(name))
    .sort()
    .map((name) => join(folder, name));

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stderr}`);
}

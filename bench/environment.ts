/** On what was measured. */
import { spawnSync } from "node:child_process";
import { cpus, totalmem } from "node:os";

export interface Environment {
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  /** Name and version; programs that are not installed are missing. */
  readonly versions: Readonly<Record<string, string>>;
}

const PROGRAMS: readonly [name: string, command: string][] = [
  ["QEMU", "qemu-system-x86_64"],
  ["gcc", "gcc"],
  ["clang", "clang"],
];

export function environment(): Environment {
  const [{ model } = { model: "unknown" }] = cpus();
  const versions: Record<string, string> = { Node: process.versions.node, V8: process.versions.v8 };
  for (const [name, command] of PROGRAMS) {
    const { stdout, error } = spawnSync(command, ["--version"], { encoding: "utf8" });
    const version = error === undefined && /\d+(\.\d+)+/.exec(stdout);
    if (version) versions[name] = version[0];
  }
  return {
    processor: model.trim(),
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    versions,
  };
}

/** A line for people. */
export const environmentLine = ({ processor, cores, memoryMiB, versions }: Environment): string =>
  `${processor}, ${cores} cores, ${(memoryMiB / 1024).toFixed(1)} GiB; ` +
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");

/** Builds the model's C files with the host's compiler, for tests on the host. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MODEL = resolve(import.meta.dirname, "..");

export const gccIsMissing = spawnSync("gcc", ["--version"]).error !== undefined;

export interface NativeProgram {
  /** @returns what it printed */
  run(...words: readonly (string | number)[]): string;
  remove(): void;
}

/** @param sources below `model/` */
export function buildNative(sources: readonly string[]): NativeProgram {
  const folder = mkdtempSync(join(tmpdir(), "gaoler-plant-"));
  const program = join(folder, "program");
  const call = (command: string, words: readonly string[]): string => {
    const options = { cwd: MODEL, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
    const { status, stdout, stderr } = spawnSync(command, words, options);
    if (status !== 0) throw new Error(`${command} ended with ${status}\n${stderr}`);
    return stdout;
  };
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  call("gcc", ["-std=gnu11", "-O2", ...warnings, ...sources, "-o", program, "-lm"]);
  return {
    run: (...words) => call(program, words.map(String)),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

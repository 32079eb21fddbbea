/** The benchmark's own inmates: a folder each, with the inmate library. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Tools without which inmates cannot be built. */
export const missingInmateTools = (): string[] =>
  ["gcc", "ld", "make"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

/** @returns the image @throws Error with the tool's words */
export function buildInmate(name: "link" | "hypercall", folder: string): Uint8Array {
  const source = join(import.meta.dirname, name);
  const words = [
    "--silent",
    "-C",
    source,
    `OUT=${folder}`,
    `BUILD=${join(folder, `${name}.build`)}`,
  ];
  const { status, stderr } = spawnSync("make", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`make ${words.join(" ")} ended with ${status}\n${stderr}`);
  return readFileSync(join(folder, `${name}.bin`));
}

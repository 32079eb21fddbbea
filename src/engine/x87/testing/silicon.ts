/** The host's own x87, by way of silicon.c: compiled once into a temporary directory. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { arch, cpus, tmpdir } from "node:os";
import { join } from "node:path";

const SOURCE = join(import.meta.dirname, "silicon.c");

/** Whose x87 the tests can ask; null without an x86-64 host or gcc. */
export function siliconVendor(): "AMD" | "Intel" | null {
  if (arch() !== "x64" || spawnSync("gcc", ["--version"]).status !== 0) return null;
  const model = cpus()[0]?.model ?? "";
  if (model.includes("AMD")) return "AMD";
  return model.includes("Intel") ? "Intel" : null;
}

export class Silicon {
  readonly #directory = mkdtempSync(join(tmpdir(), "x87-"));
  readonly #program = join(this.#directory, "silicon");

  constructor() {
    const gcc = spawnSync("gcc", ["-O2", "-o", this.#program, SOURCE], { encoding: "utf8" });
    if (gcc.status !== 0) throw new Error(`gcc does not compile ${SOURCE}: ${gcc.stderr}`);
  }

  /** The answers to a number of records. */
  answer(records: Uint8Array): Uint8Array {
    const run = spawnSync(this.#program, { input: records, maxBuffer: records.length + 1024 });
    if (run.status !== 0 || run.stdout.length !== records.length) {
      throw new Error(
        `${SOURCE} ended with ${run.status ?? run.signal}, ${run.stdout.length} bytes`,
      );
    }
    return run.stdout;
  }

  /** Whether the record's instruction raises #UD. */
  isUndefined(record: Uint8Array): boolean {
    return spawnSync(this.#program, { input: record }).signal === "SIGILL";
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/**
 * A program in one file, with the code that V8 made of it in earlier runs.
 *
 * Node's own cache has what V8 compiles when it loads a module. Functions are compiled when they are
 * called first, which for a short run is most of its time: so this cache is written when a run ends.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { getHeapCodeStatistics } from "node:v8";
import { Script } from "node:vm";
import { heedBranchHints } from "./branch-hints.ts";

/** Of all code: what a run must have compiled beside what the cache had, for it to be written anew. */
const WORTH_WRITING = 0.1;

/**
 * Runs a CommonJS file.
 *
 * @param file its name changes with its content: V8 takes code that it made of another text as long
 * @param folder where the cache is; undefined: there is none
 * @param modules what it may require by name, beside Node's own
 * @returns what it exports
 */
export function loadCached(
  file: string,
  folder: string | undefined,
  modules: Readonly<Record<string, unknown>> = {},
): unknown {
  const cache = folder === undefined ? undefined : join(folder, `${basename(file)}.cache`);
  const source = readFileSync(file, "utf8");
  const script = new Script(`(function (exports, require, __filename) {${source}\n})`, {
    filename: file,
    cachedData: cache === undefined ? undefined : readIfThere(cache),
  });
  if (cache !== undefined) {
    const { bytecode_and_metadata_size: before } = getHeapCodeStatistics();
    process.once("exit", () => {
      const { bytecode_and_metadata_size: now } = getHeapCodeStatistics();
      if (now - before < now * WORTH_WRITING) return;
      // as it is when it is loaded: V8 takes no code that it made with other flags
      heedBranchHints(false);
      replace(cache, script.createCachedData());
    });
  }
  const exports = {};
  const require = (name: string) => modules[name] ?? process.getBuiltinModule(name);
  script.runInThisContext()(exports, require, file);
  return exports;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** At once, as other runs may read it; not at all if the folder cannot be written to. */
function replace(file: string, content: Uint8Array): void {
  const written = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    try {
      writeFileSync(written, content);
      renameSync(written, file);
    } catch {
      rmSync(written, { force: true });
    }
  } catch {
    // the next run compiles what this one did
  }
}

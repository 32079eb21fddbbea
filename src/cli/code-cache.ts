/**
 * A program in one file, with the code that V8 made of it in earlier runs.
 *
 * Node's own cache has what V8 compiles when it loads a module. Functions are compiled when they are
 * called first, which for a short run is most of its time: so this cache is written when a run ends.
 */
import { heedBranchHints } from "./branch-hints.ts";

// To import them would take Node's getting all ready that they export, promises and streams included.
const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } =
  process.getBuiltinModule("node:fs");
const { basename, dirname, join } = process.getBuiltinModule("node:path");
const { getHeapSpaceStatistics } = process.getBuiltinModule("node:v8");
const { Script } = process.getBuiltinModule("node:vm");

/**
 * How much more V8 must have than what it was given: first of what is counted anyway, where there is
 * code and some other things, then of code itself, which takes a while to gather.
 */
const MAY_HAVE_LEARNT = 1.4;
const WORTH_WRITING = 1.1;

/**
 * Runs a file of ASCII characters that is a function of `exports`, `require` and `__filename`, as the
 * body of a CommonJS module uses them.
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
  const source = readFileSync(file, "latin1");
  const cachedData = cache === undefined ? undefined : readIfThere(cache);
  const script = new Script(source, { filename: file, cachedData });
  if (cache !== undefined) {
    const known = script.cachedDataRejected === false && cachedData ? cachedData.length : 0;
    const before = codeBytes();
    process.once("exit", () => {
      if (known > 0 && codeBytes() < before * MAY_HAVE_LEARNT) return;
      // as it is when it is loaded: V8 takes no code that it made with other flags
      heedBranchHints(false);
      const code = script.createCachedData();
      if (code.length > known * WORTH_WRITING) replace(cache, code);
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

/** What V8 has in the space where it has code that is not the processor's. */
const codeBytes = () =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "trusted_space")
    ?.space_used_size ?? 0;

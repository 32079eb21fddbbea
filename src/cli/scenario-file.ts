/** Scenario files: TypeScript, run as it is, with `import ... from "gaoler"` wherever it lies. */
import { registerHooks } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as library from "../session/index.ts";
import type { Scenario } from "../session/scenario.ts";
import { readBytes } from "./files.ts";
import { importModule } from "./import-module.ts";
import { UsageError } from "./usage-error.ts";

/** Where the module that scenarios import as "gaoler" finds what it exports: this very library. */
const SHARED = Symbol.for("gaoler");
const LIBRARY = `data:text/javascript,export const { ${Object.keys(library)} } = globalThis[Symbol.for("gaoler")];`;

export interface ScenarioFile {
  readonly scenario: Scenario;
  /** Reads a file that the scenario names: relative to the scenario's own. */
  readonly read: (name: string) => Promise<Uint8Array>;
}

/** From now on `import ... from "gaoler"` means this very package, wherever the importing file lies. */
export function resolveLibrary(): void {
  Object.assign(globalThis, { [SHARED]: library });
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === "gaoler") return { url: LIBRARY, shortCircuit: true };
      const resolved = next(specifier, context);
      // whatever the package.json above says: `npm init` writes "commonjs"
      return resolved.format === "commonjs-typescript"
        ? { ...resolved, format: "module-typescript" }
        : resolved;
    },
  });
}

/**
 * @param folder where the files are that the scenario names; default: where it is itself
 * @throws UsageError if the file is not there, does not load, or exports no scenario
 */
export async function importScenario(
  file: string,
  folder = dirname(resolve(file)),
): Promise<ScenarioFile> {
  const path = resolve(file);
  await readBytes(path);
  resolveLibrary();
  let module: { default?: unknown };
  try {
    module = await importModule(pathToFileURL(path).href);
  } catch (error) {
    // the author of the file needs to see where
    throw new UsageError(
      `${file} does not load: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
    );
  }
  const scenario = module.default as Partial<Scenario> | undefined;
  if (
    typeof scenario !== "object" ||
    scenario === null ||
    !("system" in scenario) ||
    !Array.isArray(scenario.cells)
  )
    throw new UsageError(
      `${basename(file)} is not a scenario: it must "export default defineScenario({ system, cells })"`,
    );
  return {
    scenario: scenario as Scenario,
    read: (name) => readBytes(resolve(folder, name)),
  };
}

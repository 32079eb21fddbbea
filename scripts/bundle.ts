/**
 * `dist/*.js`: the sources bundled, since to load some 300 modules takes Node longer than a small guest
 * runs. The library and the examples that are demos are modules. The command line is one script,
 * `cli/program-HASH.cjs`, that `cli/main.js` loads with the code V8 made of it before. What the sources
 * refer to by its place (inmate images, their cells, the C library) stays where it is: `../../inmates`
 * is the same seen from `src/cli` and from every folder of `dist/`.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, rm, utimes } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type InputOptions, type OutputOptions, rolldown } from "rolldown";
import { baseModuleBytes } from "../src/engine/wasm/base-module-bytes.ts";

const root = resolve(import.meta.dirname, "..");
const dist = resolve(root, "dist");
const start = new Date();

const BYTES_MODULE = resolve(root, "src/engine/wasm/base-module-bytes.ts");
const bytes = Buffer.from(baseModuleBytes()).toString("base64");
const generated = {
  name: "what can be computed now",
  load: (id: string) =>
    id === BYTES_MODULE
      ? `export const baseModuleBytes = () =>
           Uint8Array.from(atob("${bytes}"), (byte) => byte.charCodeAt(0));`
      : null,
};

/** @returns the name of the first file written */
async function write(
  { plugins, ...options }: InputOptions,
  output: OutputOptions,
): Promise<string> {
  const bundle = await rolldown({
    platform: "node",
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
    ...options,
    plugins: [generated, plugins],
  });
  const { output: written } = await bundle.write(output);
  await bundle.close();
  return written[0].fileName;
}

const PACKAGE = /^[@a-z]/;
const caches = globSync("node_modules/.cache/gaoler/*/program-*", { cwd: root });
for (const file of caches) await rm(resolve(root, file));
for (const folder of ["chunks", "cli"])
  await rm(resolve(dist, folder), { recursive: true, force: true });

// Modules, which find their packages where npm installs them.
const modules = ["src/session/index.ts", ...globSync("examples/*/scenario.ts", { cwd: root })];
for (const module of modules)
  await write(
    { input: resolve(root, module), external: PACKAGE },
    { file: resolve(dist, module.replace(/^src\//, "").replace(/ts$/, "js")) },
  );

const source = (name: string) => resolve(root, "src/cli", name);
/** What is part of the script, and what its license asks for. */
const licenses = ["commander", "@noble/hashes"]
  .map((name) => `${name}: ${readFileSync(resolve(root, "node_modules", name, "LICENSE"), "utf8")}`)
  .join("\n");
const program = await write(
  {
    input: source("program.ts"),
    external: [/^node:/, "./import-module.ts"],
    plugins: [
      {
        name: "no commands that are programs of their own",
        resolveId: (id, importer) =>
          id === "node:child_process" && importer?.includes("/commander/") ? "none" : null,
        load: (id) => (id === "none" ? "export default {};" : null),
      },
    ],
  },
  {
    dir: resolve(dist, "cli"),
    format: "cjs",
    entryFileNames: "program-[hash].cjs",
    codeSplitting: false,
    comments: false,
    banner: `/*\n${licenses}*/`,
  },
);
const script = resolve(dist, "cli", program);
// what is one byte a character is read in half the time
const unicode = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
const body = readFileSync(script, "utf8").replace(/[^\0-\x7f]/g, unicode);
writeFileSync(script, `(function (exports, require, __filename) {${body}})`);

const main = resolve(dist, "cli/main.js");
await write(
  {
    input: source("main.ts"),
    external: PACKAGE,
    plugins: [
      {
        name: "the script in place of the module",
        resolveId: (id) => (id === "./program.ts" ? { id } : null),
        load: (id) =>
          id !== "./program.ts"
            ? null
            : `import { getCompileCacheDir } from "node:module";
              import { loadCached } from "${source("code-cache.ts")}";
              import * as importModule from "${source("import-module.ts")}";
              const file = \`\${import.meta.dirname}/${program}\`;
              const { main } = loadCached(file, getCompileCacheDir(), { "./import-module.ts": importModule });
              export { main };`,
      },
    ],
  },
  { dir: dirname(main), entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
);
await chmod(main, 0o755);
// what is changed from now on is newer
await utimes(main, start, start);

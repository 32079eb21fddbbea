/**
 * `dist/`: the sources and the examples that are demos, as JavaScript with declarations. The sources
 * are bundled, since loading some 300 modules takes Node longer than a small guest runs; a command
 * still loads only what it needs. Everything else that the package ships (inmate images, their cells,
 * the C library) stays where it is in the repository: `../../inmates` is the same place seen from
 * `src/cli` and from every folder of `dist/`.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const dist = resolve(root, "dist");
rmSync(dist, { recursive: true, force: true });

const entry = (path: string) => ({ [path]: resolve(root, `src/${path}.ts`) });
const bundle = await rolldown({
  input: { ...entry("cli/main"), ...entry("session/index") },
  platform: "node",
  // packages, which npm installs beside it
  external: /^[@a-z]/,
  onLog(level, log) {
    if (level === "warn") throw new Error(log.message);
  },
});
await bundle.write({
  dir: dist,
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
});
await bundle.close();

const compile = (project: string): number => {
  const { error, status } = spawnSync("tsc", ["-p", project], { cwd: root, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
};
// the examples use the declarations of what is compiled first
const status = compile("tsconfig.build.json") || compile("tsconfig.examples.json");
if (status === 0) chmodSync(resolve(dist, "cli/main.js"), 0o755);
process.exitCode = status;

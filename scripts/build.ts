/**
 * `dist/`: the sources and the examples that are demos, as JavaScript with declarations, for Node to
 * run without stripping types. Everything else that the package ships (inmate images, their cells,
 * the C library) stays where it is in the repository: `../../inmates` is the same place seen from
 * `src/cli` and `dist/cli`.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
rmSync(resolve(root, "dist"), { recursive: true, force: true });
const compile = (project: string): number => {
  const { error, status } = spawnSync("tsc", ["-p", project], { cwd: root, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
};
// the examples use the declarations of what is compiled first
const status = compile("tsconfig.build.json") || compile("tsconfig.examples.json");
if (status === 0) chmodSync(resolve(root, "dist/cli/main.js"), 0o755);
process.exitCode = status;

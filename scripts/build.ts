/**
 * `dist/`: the sources as JavaScript with declarations, for Node to run without stripping types.
 * Everything else that the package ships (inmate images, their cells, the C library) stays where
 * it is in the repository: `../../inmates` is the same place seen from `src/cli` and `dist/cli`.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
rmSync(resolve(root, "dist"), { recursive: true, force: true });
const compiler = spawnSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (compiler.error) throw compiler.error;
if (compiler.status === 0) chmodSync(resolve(root, "dist/cli/main.js"), 0o755);
process.exitCode = compiler.status ?? 1;

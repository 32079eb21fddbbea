/**
 * `dist/*.js`: the sources, and the examples that are demos, bundled, since to load some 300 modules
 * takes Node longer than a small guest runs. A command still loads only what it needs. What the
 * sources refer to by its place (inmate images, their cells, the C library) stays where it is:
 * `../../inmates` is the same seen from `src/cli` and from every folder of `dist/`.
 */
import { globSync } from "node:fs";
import { chmod, rm, utimes } from "node:fs/promises";
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const dist = resolve(root, "dist");
const start = new Date();

const library = resolve(root, "src/session/index.ts");
const entries: Record<string, string> = {
  "cli/main": resolve(root, "src/cli/main.ts"),
  "session/index": library,
};
for (const scenario of globSync("examples/*/scenario.ts", { cwd: root }))
  entries[scenario.replace(/\.ts$/, "")] = resolve(root, scenario);

const bundle = await rolldown({
  input: entries,
  platform: "node",
  resolve: { alias: { gaoler: library } },
  // packages, which npm installs beside it
  external: (id) => /^[@a-z]/.test(id) && id !== "gaoler",
  onLog(level, log) {
    if (level === "warn") throw new Error(log.message);
  },
});
await rm(resolve(dist, "chunks"), { recursive: true, force: true });
await bundle.write({
  dir: dist,
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
});
await bundle.close();
const main = resolve(dist, "cli/main.js");
await chmod(main, 0o755);
// what is changed from now on is newer
await utimes(main, start, start);

/**
 * Bundles the rooms that run in a browser, without a single Node shim: whatever cannot be
 * resolved in a browser ends the bundle with an error.
 */
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { BROWSER_SAFE_ROOMS } from "./rooms.ts";

const root = resolve(import.meta.dirname, "..");
const sources = globSync(`src/{${BROWSER_SAFE_ROOMS.join(",")}}/**/*.ts`, { cwd: root })
  .filter((path) => !/\.test\.ts$|\/testing\//.test(path))
  .sort();

const entry = "gaoler:rooms";
const bundle = await rolldown({
  input: entry,
  cwd: root,
  platform: "browser",
  plugins: [
    {
      // one module that holds every source alive, so that nothing escapes the check by being unused
      name: "every-room",
      resolveId: (id) => (id === entry ? id : undefined),
      load: (id) =>
        id === entry
          ? sources
              .map((path, n) => `export * as m${n} from ${JSON.stringify(resolve(root, path))};`)
              .join("\n")
          : undefined,
    },
  ],
  onLog(level, log) {
    // an unresolved import is a warning to a bundler, and a breach to us
    if (level === "warn") throw new Error(log.message);
  },
});
const { output } = await bundle.generate({ format: "esm", minify: true });
const external = output.flatMap((chunk) =>
  chunk.type === "chunk"
    ? chunk.imports.filter((id) => !output.some((o) => o.fileName === id))
    : [],
);
if (external.length > 0) {
  console.error(`the bundle still imports ${external.join(", ")}`);
  process.exitCode = 1;
}
const code = output.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("");
const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
console.log(
  `${sources.length} sources for the browser: ${kilobytes(code.length)}, ` +
    `${kilobytes(gzipSync(code).length)} compressed`,
);

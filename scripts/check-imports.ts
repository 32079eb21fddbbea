/**
 * The import rule: nothing imports upwards or sideways, and the rooms that run in a browser
 * import nothing of Node. Their use of Node's globals is checked by `tsc -p tsconfig.browser.json`,
 * which does not know them.
 */
import { globSync, readFileSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { breaches } from "./import-rule.ts";

const root = resolve(import.meta.dirname, "../src");
const files = globSync("**/*.ts", { cwd: root }).map((path) => path.split(sep).join("/"));
const found = files
  .sort()
  .flatMap((path) => breaches(path, readFileSync(resolve(root, path), "utf8")));

for (const breach of found) console.error(breach);
console.log(
  `${files.length} files below ${relative(process.cwd(), root)}: ${found.length} breaches`,
);
process.exitCode = found.length > 0 ? 1 : 0;

#!/usr/bin/env node
import * as nodeModule from "node:module";
import { heedBranchHints } from "./branch-hints.ts";

const [major] = process.versions.node.split(".").map(Number);
if (major < 24) {
  console.error(`gaoler needs Node 24 or newer; this is Node ${process.versions.node}.`);
  process.exit(2);
}
// Keeps the sources with their types stripped, and their compiled code, from one run to the next.
nodeModule.enableCompileCache();
// A reader that goes away (`gaoler demo | head`) ends the run as it ends any command.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
// A reader slower than a guest prints holds the run up. Node would queue for a pipe without bound.
const { _handle: output } = process.stdout as { _handle?: { setBlocking?(on: boolean): void } };
output?.setBlocking?.(true);

const { main } = await import("./program.ts");
// Not before: V8 takes code that it made earlier, Node's own too, only with the same flags.
heedBranchHints(true);
process.exitCode = await main(process.argv.slice(2));

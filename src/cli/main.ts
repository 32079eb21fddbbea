#!/usr/bin/env node
import { enableCompileCache } from "node:module";

const [major] = process.versions.node.split(".").map(Number);
if (major < 24) {
  console.error(`gaoler needs Node 24 or newer; this is Node ${process.versions.node}.`);
  process.exit(2);
}
// Keeps the sources with their types stripped, and their compiled code, from one run to the next.
enableCompileCache();
// A reader that goes away (`gaoler demo | head`) ends the run as it ends any command.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const { main } = await import("./program.ts");
process.exitCode = await main(process.argv.slice(2));

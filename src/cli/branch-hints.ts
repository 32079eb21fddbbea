/**
 * Compiled code tells which branches are hardly ever taken, by WebAssembly's branch
 * hinting. Browsers heed that; Node 24 can, but has to be asked before it compiles anything.
 * To ask a Node that does not know the flag would print an error.
 */
export function heedBranchHints(heed: boolean): void {
  if (process.versions.node.startsWith("24."))
    process
      .getBuiltinModule("node:v8")
      .setFlagsFromString(`--${heed ? "" : "no-"}experimental-wasm-branch-hinting`);
}

import { defineConfig } from "vitest/config";

export default defineConfig({
  // what an example imports is this source, not what was built last
  resolve: { alias: { gaoler: new URL("src/session/index.ts", import.meta.url).pathname } },
  test: {
    include: ["{src,scripts,inmates,examples,bench}/**/*.test.ts"],
    setupFiles: ["src/engine/testing/jit.setup.ts"],
    // a machine is a few hundred MiB of address space and one thread: threads would only
    // share what must not be shared, and forks start in the same time
    pool: "forks",
    // emulated seconds take real ones on a busy two-core machine; nothing here asserts time
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

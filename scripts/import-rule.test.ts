import { describe, expect, test } from "vitest";
import { breaches, dependencies } from "./import-rule.ts";

describe("dependencies", () => {
  test("finds every way of naming a module", () => {
    const source = `
      import a from "a"; import type { B } from "b"; import "c";
      export * from "d"; export { e } from "e"; export type { F } from "f";
      const g = await import("g"); type H = import("h").H;
      // import "comment"
      const text = 'import "string"'; const template = \`import "template"\`;
    `;
    expect(dependencies(source).modules).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"]);
  });
});

describe("breaches", () => {
  test.each([
    ["machine/clock.ts", 'import "../engine/vcpu.ts"'],
    ["hypervisor/a.ts", 'import "../machine/clock.ts"; import "../config/types.ts"'],
    ["session/a.ts", 'import "@noble/hashes/sha2.js"'],
    ["cli/main.ts", 'import "node:fs"; import "commander"'],
    ["engine/a.test.ts", 'import "node:fs"; import "vitest"; Math.random()'],
    ["session/pace.ts", "performance.now()"],
  ])("%s: %s is allowed", (path, source) => {
    expect(breaches(path, source)).toEqual([]);
  });

  test.each([
    ["engine/a.ts", 'import "../machine/clock.ts"'],
    ["machine/a.ts", 'import "../config/types.ts"'],
    ["machine/a.test.ts", 'import "../hypervisor/cell.ts"'],
    ["session/a.ts", 'import "node:fs"'],
    ["session/a.ts", 'type A = import("node:fs").Stats'],
    ["engine/a.ts", 'await import("node:fs")'],
    ["engine/a.ts", 'import "commander"'],
    ["machine/a.ts", "const now = Date.now()"],
    ["machine/a.ts", "const now = new Date()"],
    ["cellar/a.ts", ""],
    ["cli/a.ts", 'import "../../scripts/rooms.ts"'],
  ])("%s: %s is refused", (path, source) => {
    expect(breaches(path, source)).toHaveLength(1);
  });
});

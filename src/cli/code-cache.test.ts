import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadCached } from "./code-cache.ts";

const folder = mkdtempSync(join(tmpdir(), "gaoler-code-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Many functions, all called if a word says so: what calls them is compiled code worth keeping. */
const program = join(folder, "program.cjs");
const sum = (k: number) => Array.from({ length: 200 }, (_, n) => `n += x * ${k + n};`).join(" ");
const functions = Array.from(
  { length: 600 },
  (_, k) => `(x) => { let n = 0; ${sum(k)} return n; }`,
);
writeFileSync(
  program,
  `(function (exports, require, __filename) {
  const functions = [${functions}];
  const { basename } = require("node:path");
  exports.name = basename(__filename);
  exports.given = require("./given.ts");
  exports.total = (x) => functions.reduce((total, f) => total + f(x), 0);
  })`,
);
const cacheOf = (name: string) => join(folder, name, "program.cjs.cache");

/** In a process of its own, whose end matters. */
function run(name: string, call: boolean): string {
  const cached = JSON.stringify(new URL("./code-cache.ts", import.meta.url).href);
  const script = `import { loadCached } from ${cached};
    const { total } = loadCached(${JSON.stringify(program)}, ${JSON.stringify(join(folder, name))});
    console.log(${call} ? total(2) : "not called");`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  return stdout.trim();
}

describe("a script with the code of earlier runs", () => {
  it("has Node's modules and those it is given", () => {
    const given = { some: "thing" };
    expect(loadCached(program, undefined, { "./given.ts": given })).toMatchObject({
      name: "program.cjs",
      given,
    });
  });

  it("does the same with and without a cache, which is written once", () => {
    const total = run("twice", true);
    expect(Number(total)).toBeGreaterThan(0);
    const { ino, size } = statSync(cacheOf("twice"));
    expect(run("twice", true)).toBe(total);
    expect(statSync(cacheOf("twice"))).toMatchObject({ ino, size });
    expect(readdirSync(join(folder, "twice"))).toEqual(["program.cjs.cache"]);
  });

  it("learns what a later run calls", () => {
    run("later", false);
    const before = sizeOf("later");
    run("later", true);
    expect(sizeOf("later")).toBeGreaterThan(before + 10_000);
  });

  it("takes no cache that is damaged, and replaces it", () => {
    const total = run("damaged", true);
    const whole = readFileSync(cacheOf("damaged"));
    writeFileSync(cacheOf("damaged"), whole.subarray(0, whole.length >> 1));
    expect(run("damaged", true)).toBe(total);
    expect(sizeOf("damaged")).toBe(whole.length);
  });

  it("does without where it cannot write", () => {
    writeFileSync(join(folder, "file"), "");
    expect(Number(run("file", true))).toBeGreaterThan(0);
  });
});

function sizeOf(name: string): number {
  return statSync(cacheOf(name), { throwIfNoEntry: false })?.size ?? 0;
}

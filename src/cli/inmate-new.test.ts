import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newInmate } from "./inmate-new.ts";
import { UsageError } from "./usage-error.ts";

const hasCompiler = ["gcc", "ld", "make"].every(
  (tool) => spawnSync(tool, ["--version"]).error === undefined,
);

describe("newInmate", () => {
  let parent = "";
  beforeAll(() => {
    parent = mkdtempSync(join(tmpdir(), "gaoler-inmate-new-"));
  });
  afterAll(() => rmSync(parent, { recursive: true }));

  it("fills in the name everywhere", () => {
    const folder = join(parent, "pump");
    const files = newInmate("pump", folder);
    expect(files.sort()).toEqual([".gitignore", "Makefile", "cell.ts", "main.c", "scenario.ts"]);
    const text = files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
    expect(text).not.toMatch(/@[A-Z]+@/);
    expect(text).toContain("NAME := pump\n");
    expect(text).toContain('name: "pump"');
    expect(text).toContain('image: "pump.bin"');
  });

  it.skipIf(!hasCompiler)("builds at once, without a warning (needs gcc, ld, make)", () => {
    const folder = join(parent, "valve-2");
    newInmate("valve-2", folder);
    const { status, stderr } = spawnSync("make", ["-s", "-C", folder], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    // starts in real mode at address 0 with CLI, and has the whole command line buffer
    const image = readFileSync(join(folder, "valve-2.bin"));
    expect(image[0]).toBe(0xfa);
    expect(image.subarray(0x1000, 0x1100).every((byte) => byte === 0)).toBe(true);
    expect(image.includes("Hello from valve-2")).toBe(true);
  });

  it("refuses what cannot name a cell, a file and a make variable", () => {
    for (const name of ["", "-x", ".x", "a b", "a/b", "../x", "a$b", "ä", "x".repeat(32)])
      expect(() => newInmate(name, join(parent, "refused"))).toThrow(UsageError);
    expect(existsSync(join(parent, "refused"))).toBe(false);
  });

  it("overwrites nothing", () => {
    const folder = join(parent, "twice");
    newInmate("twice", folder);
    expect(() => newInmate("twice", folder)).toThrow(`${folder} is there already`);
  });
});

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, it } from "vitest";

it("docs/instructions.md lists what the instruction table has", () => {
  const script = resolve(import.meta.dirname, "instructions.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--check"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(stdout).toBe("docs/instructions.md is current\n");
  expect(status).toBe(0);
});

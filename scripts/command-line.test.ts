import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const empty = mkdtempSync(join(tmpdir(), "gaoler-command-line-"));
afterAll(() => rmSync(empty, { recursive: true }));

function script(name: string, ...words: string[]) {
  const file = join(import.meta.dirname, `${name}.ts`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...words], {
    encoding: "utf8",
    env: { ...process.env, GAOLER_SINGLE_STEP: empty },
  });
  return { status, stdout, stderr };
}

describe.each(["suites", "fuzz", "bench", "float"])("%s", (name) => {
  it("tells its usage", () => {
    const { status, stdout, stderr } = script(name, "--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain(`npm run ${name}`);
    expect(stdout).not.toMatch(/^ ?\*/m);
  });

  it("refuses an option that it does not have, in one line", () => {
    const { status, stdout, stderr } = script(name, "--no-such-thing");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^${name}: Unknown option '--no-such-thing'.*\n$`));
  });
});

describe("suites", () => {
  it("fails if there is no case", () => {
    const { status, stdout } = script("suites", "single-step");
    expect(stdout).toBe(`single-step: nothing matched: no cases in ${empty}\n`);
    expect(status).toBe(1);
  });

  it("refuses what is no regular expression", () => {
    const { status, stderr } = script("suites", "single-step", "--only", "(");
    expect(stderr).toMatch(/^suites: --only: Invalid regular expression.*\n$/);
    expect(status).toBe(2);
  });
});

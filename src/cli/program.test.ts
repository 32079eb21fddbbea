import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "./program.ts";

/** Everything printed, on either stream. */
let printed = "";
beforeEach(() => {
  printed = "";
  const write = (text: string | Uint8Array) => {
    printed += text;
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(write);
  vi.spyOn(process.stderr, "write").mockImplementation(write);
  vi.spyOn(console, "error").mockImplementation((text: string) => void write(`${text}\n`));
});
afterEach(() => vi.restoreAllMocks());

describe("the command line", () => {
  it.each([
    [["--help"], "Exit status"],
    [["demo", "--help"], "Examples"],
    [["run", "--help"], "Examples"],
    [["exec", "--help"], "Examples"],
    [["config", "show", "--help"], "Examples"],
    [["inmate", "new", "--help"], "Examples"],
    [["--version"], "."],
  ])("%j ends with 0", async (words, expected) => {
    expect(await main(words)).toBe(0);
    expect(printed).toContain(expected);
  });

  it.each([
    [[], "Usage"],
    [["dmo"], "Did you mean demo?"],
    [["config", "shw"], "Did you mean show?"],
    [["run", "--sytem", "x"], "Did you mean --system?"],
    [["run", "--for", "2"], "number with a unit"],
    [["run", "--load", "a.bin"], "must follow the --cell"],
    [["exec"], "missing required argument"],
    [["exec", "a.bin", "--set", "rax"], "NAME=NUMBER"],
    [["run", "--until", "("], "regular expression"],
  ])("%j ends with 2", async (words, expected) => {
    expect(await main(words)).toBe(2);
    expect(printed).toContain(expected);
  });
});

import { describe, expect, it } from "vitest";
import { address, assignment, duration, located, pattern, size } from "./values.ts";

describe("values", () => {
  it.each([
    ["2s", 2e9],
    ["1.5ms", 1_500_000],
    ["500us", 500_000],
    ["7 ns", 7],
    ["3min", 180e9],
  ])("duration %s", (text, nanoseconds) => expect(duration(text)).toBe(nanoseconds));

  it.each(["2", "s", "-1s", "1h", "", "1e3s", "99999999999min"])("refuses duration %s", (text) =>
    expect(() => duration(text)).toThrow(/unit/),
  );

  it.each([
    ["64M", 64 * 1024 ** 2],
    ["1g", 1024 ** 3],
    ["0x1000", 4096],
    ["512", 512],
    ["4KiB", 4096],
  ])("size %s", (text, bytes) => expect(size(text)).toBe(bytes));

  it.each(["", "x", "-1", "1T", "1.5M"])("refuses size %s", (text) =>
    expect(() => size(text)).toThrow(/bytes/),
  );

  it("address", () => {
    expect(address("0xf0000")).toBe(0xf0000);
    expect(address("16")).toBe(16);
    expect(() => address("f0000")).toThrow(/address/);
    expect(() => address("0x1000000000000000")).toThrow(/address/);
  });

  it.each([
    ["a.bin", { text: "a.bin" }],
    ["a.bin@0xf0000", { text: "a.bin", address: 0xf0000 }],
    ["me@home", { text: "me@home" }],
    ["me@home/a.bin@16", { text: "me@home/a.bin", address: 16 }],
    ["mail=a@b\nc=d@0x1000", { text: "mail=a@b\nc=d", address: 0x1000 }],
  ])("located %s", (text, expected) => expect(located(text)).toEqual(expected));

  it("assignment", () => {
    expect(assignment("RAX=0x10")).toEqual({ name: "rax", value: 16n });
    expect(assignment("xmm0 = 7")).toEqual({ name: "xmm0", value: 7n });
    expect(() => assignment("rax")).toThrow(/NAME=NUMBER/);
  });

  it("pattern", () => {
    expect(pattern("Timer.*jitter").test("Timer fired, jitter")).toBe(true);
    expect(() => pattern("(")).toThrow(/Invalid regular expression/);
  });
});

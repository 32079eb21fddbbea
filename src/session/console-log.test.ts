import { describe, expect, it } from "vitest";
import { CellLog } from "./console-log.ts";

function log() {
  const lines: string[] = [];
  const cellLog = new CellLog((text) => lines.push(text));
  const print = (port: number, text: string) => {
    for (const character of text) cellLog.put(port, character.charCodeAt(0));
  };
  return { cellLog, lines, print };
}

describe("the log of a cell", () => {
  it("makes lines of bytes, each port for itself", () => {
    const { cellLog, lines, print } = log();
    print(0x3f8, "one\r\ntw");
    print(0x2f8, "other\n");
    print(0x3f8, "o\n\nend");
    expect(lines).toEqual(["one", "other", "two", ""]);
    cellLog.flush();
    expect(lines.at(-1)).toBe("end");
    expect(cellLog.text).toBe("one\nother\ntwo\n\nend\n");
  });

  it("cuts a line that never ends", () => {
    const { lines, print } = log();
    print(0x3f8, "x".repeat(10_000));
    expect(lines.map((line) => line.length)).toEqual([4096, 4096]);
  });

  it("keeps all of a log of ordinary length, and the end of one without end", () => {
    const { cellLog } = log();
    for (let index = 0; index < 5000; index++) cellLog.line(`line ${index}`);
    expect(cellLog.text.split("\n").length).toBe(5001);
    expect(cellLog.text.startsWith("line 0\nline 1\n")).toBe(true);

    const long = "x".repeat(4095);
    for (let index = 0; index < 20_000; index++) cellLog.line(long);
    cellLog.line("last");
    const { text } = cellLog;
    expect(text.length).toBeLessThan(2 ** 24 + 1024 * 4096);
    const [, omitted] = /^\[(\d+) lines before these are left out\]\n/.exec(text) ?? [];
    expect(Number(omitted) + text.split("\n").length - 2).toBe(25_001);
    expect(text.endsWith(`${long}\nlast\n`)).toBe(true);
  });
});

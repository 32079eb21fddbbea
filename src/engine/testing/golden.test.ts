import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TABLE } from "../x86/table.ts";
import { Case } from "./case.ts";
import { differences } from "./compare.ts";
import { EngineCpu } from "./engine-cpu.ts";
import { whyNotRun } from "./not-run.ts";
import { decodeCase, parseCase, parseOutcome } from "./text.ts";

/** Recorded from silicon by record-golden.ts, for hosts that cannot ask it. */
const lines = readFileSync(join(import.meta.dirname, "golden.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [before = "", after = ""] = line.split(" > ");
    const start = parseCase(before);
    return { line, start, expected: parseOutcome(start, after), decoded: decodeCase(start) };
  });

describe("the instruction table against answers recorded from silicon", () => {
  const cpu = new EngineCpu();

  it("has answers of every row that runs in user mode", () => {
    const known = new Set(lines.map(({ decoded }) => decoded.row));
    const missing = TABLE.rows.filter((row) => whyNotRun(row) === undefined && !known.has(row));
    expect(
      missing.map(({ mnemonic }) => mnemonic),
      "record them: node src/engine/testing/record-golden.ts",
    ).toEqual([]);
  });

  it.each([...Map.groupBy(lines, ({ decoded }) => decoded.row?.mnemonic ?? "#UD")])(
    "%s",
    (_mnemonic, cases) => {
      const wrong: string[] = [];
      for (const { line, start, expected, decoded } of cases) {
        const answer = new Case();
        answer.copy(start);
        cpu.run(answer);
        const found = differences(start, answer, expected, decoded);
        if (found.length > 0) wrong.push(`${line}: ${found.map(({ text }) => text).join("; ")}`);
      }
      expect(wrong).toEqual([]);
    },
  );
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allCodes } from "./testing/cases.ts";
import { agree, formatAfter, parseBefore } from "./testing/golden.ts";
import { rowOf, SoftwareFpu } from "./testing/record.ts";

const lines = readFileSync(join(import.meta.dirname, "testing/golden.txt"), "utf8")
  .trim()
  .split("\n");

describe("x87 against answers recorded from silicon", () => {
  const software = new SoftwareFpu();
  const byMnemonic = Map.groupBy(lines, (line) => line.split(" ")[0]);

  it("has answers of every instruction but those that move whole images", () => {
    const images = ["fldenv", "fnstenv", "frstor", "fnsave"];
    const mnemonics = allCodes()
      .filter((code) => code.length === 2)
      .map((code) => rowOf(Uint8Array.of(2, ...code)).mnemonic)
      .filter((mnemonic) => !images.includes(mnemonic));
    expect(new Set(byMnemonic.keys())).toEqual(new Set(mnemonics));
  });

  it.each([...byMnemonic.keys()])("%s", (mnemonic) => {
    for (const line of byMnemonic.get(mnemonic) ?? []) {
      const [before, expected] = line.split(" > ");
      const record = parseBefore(before);
      const row = rowOf(record);
      expect(row.mnemonic).toBe(mnemonic);
      software.answer(record);
      const answer = formatAfter(record);
      if (!agree(row, answer, expected)) expect(`${before} > ${answer}`).toBe(line);
    }
  });
});

/** Writes golden.txt from the host's x87: `node src/engine/x87/testing/record-golden.ts`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { allCodes, Random, randomCase } from "./cases.ts";
import { formatAfter, formatBefore, parseBefore } from "./golden.ts";
import { RECORD_BYTES, rowOf } from "./record.ts";
import { Silicon } from "./silicon.ts";

/** Of the eight forms of ST(i) one is enough: ST(1). */
const codes = allCodes().filter((code) => {
  if (code.length !== 2) return false;
  const { memory, operands, index } = rowOf(Uint8Array.of(2, ...code));
  if (memory === "m14/28byte" || memory === "m94/108byte") return false;
  return !operands.includes("(i)") || index === 1;
});
const CASES_EACH = 3;

const random = new Random(1987);
const befores: string[] = [];
for (const code of codes) {
  for (let i = 0; i < CASES_EACH; i++) {
    const record = new Uint8Array(RECORD_BYTES);
    randomCase(random, code, record);
    befores.push(formatBefore(record));
  }
}
const records = Uint8Array.from(befores.flatMap((before) => [...parseBefore(before)]));
const silicon = new Silicon();
const answers = silicon.answer(records);
silicon.dispose();
const lines = befores.map((before, i) => {
  const answer = answers.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
  return `${before} > ${formatAfter(answer)}\n`;
});
writeFileSync(join(import.meta.dirname, "golden.txt"), lines.join(""));

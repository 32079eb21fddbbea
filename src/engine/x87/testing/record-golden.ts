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
/** Random cases of one instruction, and how many are kept: those that behave most differently. */
const CANDIDATES = 200;
const KEPT = 4;

/** `mnemonic code` and the operands ST(0), ST(1), of cases that chance rarely meets. */
const DIRECTED: readonly [string, string, string][] = [
  // two QNaNs of one significand: the positive one
  ["fadd d8c1", "ffff:c000000000000001", "7fff:c000000000000001"],
  ["fadd d8c1", "7fff:c000000000000001", "ffff:c000000000000001"],
  // a signalling NaN and a quiet one: the quiet; two signalling: the larger
  ["fmul d8c9", "7fff:bfffffffffffffff", "ffff:c000000000000000"],
  ["fmul d8c9", "7fff:8000000000000001", "ffff:bfffffffffffffff"],
  // halfway between two numbers, the lower one even and odd
  ["fadd d8c1", "3fff:8000000000000000", "3fbf:8000000000000000"],
  ["fadd d8c1", "3fff:8000000000000001", "3fbf:8000000000000000"],
  ["fmul d8c9", "3fff:8000000000000001", "3fff:c000000000000000"],
  ["fmul d8c9", "3fff:8000000000000003", "3fff:c000000000000000"],
  // a carry through the whole significand, and cancellation to the last bit
  ["fadd d8c1", "3fff:ffffffffffffffff", "3fbf:8000000000000000"],
  ["fsub d8e1", "3fff:8000000000000000", "3ffe:ffffffffffffffff"],
  // nothing left: the sign of zero is the rounding's
  ["fsub d8e1", "3fff:8000000000000001", "3fff:8000000000000001"],
  // inexact by the very last bit of the product
  ["fmul d8c9", "3fff:8000000000000001", "3fff:8000000000000001"],
  // quotients and roots just below and above half a place
  ["fdiv d8f1", "3fff:8000000000000000", "4000:c000000000000000"],
  ["fdiv d8f1", "4000:8000000000000000", "4000:c000000000000000"],
  ["fsqrt d9fa", "4000:8000000000000000", "0000:0000000000000000"],
  ["fsqrt d9fa", "4000:c000000000000000", "0000:0000000000000000"],
  // tiny before rounding, not after; and tiny either way
  ["fmul d8c9", "0001:ffffffffffffffff", "3ffe:8000000000000001"],
  ["fst d916", "3f80:ffffffffffffffff", "0000:0000000000000000"],
  ["fst d916", "3f70:8000000000000001", "0000:0000000000000000"],
  ["fst dd16", "43fe:ffffffffffffffff", "0000:0000000000000000"],
  // exponents 64 or more apart: one stride of the remainder
  ["fprem d9f8", "4060:89abcdef01234567", "3fff:c000000000000001"],
  ["fprem1 d9f5", "4003:d000000000000000", "4000:8000000000000000"],
];
/** All masked with each rounding; 24 and 53 bits; everything unmasked. */
const CONTROLS = ["37f", "77f", "b7f", "f7f", "7f", "27f", "340"];

/** What an answer shows of the way it was computed: exceptions, C1, rounding, precision, stack. */
function signature(before: string, after: string): string {
  const [, , control, status] = before.split(" ");
  const [statusAfter, tags] = after.split(" ");
  const raised = Number.parseInt(statusAfter, 16) & ~Number.parseInt(status, 16) & 0x7f;
  const c1 = Number.parseInt(statusAfter, 16) & 0x200;
  const stopped = Number.parseInt(statusAfter, 16) & 0x80;
  const modes = (Number.parseInt(control, 16) >> 8) & 0xf;
  return [raised, c1, stopped, raised === 0 ? 0 : modes, raised & 0x40 ? tags : 0].join();
}

const silicon = new Silicon();

/** Right halves of the lines that begin with these left halves. */
function answersTo(befores: readonly string[]): string[] {
  const records = new Uint8Array(befores.length * RECORD_BYTES);
  for (const [i, before] of befores.entries()) records.set(parseBefore(before), i * RECORD_BYTES);
  const answers = silicon.answer(records);
  return befores.map((_, i) =>
    formatAfter(answers.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES)),
  );
}

const random = new Random(1987);
const lines: string[] = [];

const directed = DIRECTED.flatMap(([instruction, st0, st1]) =>
  CONTROLS.map(
    (control) => `${instruction} ${control} 0 fff0 202 ${st0} ${st1} 0000:0000000000000000 0`,
  ),
);
for (const [i, after] of answersTo(directed).entries()) lines.push(`${directed[i]} > ${after}\n`);

for (const code of codes) {
  const befores = Array.from({ length: CANDIDATES }, () => {
    const record = new Uint8Array(RECORD_BYTES);
    randomCase(random, code, record);
    return formatBefore(record);
  });
  const seen = new Set<string>();
  for (const [i, after] of answersTo(befores).entries()) {
    const shown = signature(befores[i], after);
    if (seen.size < KEPT && !seen.has(shown)) {
      seen.add(shown);
      lines.push(`${befores[i]} > ${after}\n`);
    }
  }
}
silicon.dispose();
writeFileSync(join(import.meta.dirname, "golden.txt"), lines.join(""));

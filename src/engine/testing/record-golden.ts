/**
 * Writes golden.txt: cases of every row of the instruction table with what the host's CPU makes of
 * them, for hosts that have no such CPU. `node src/engine/testing/record-golden.ts`
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../x86/row.ts";
import { TABLE } from "../x86/table.ts";
import { AT, Case, ENDLESS } from "./case.ts";
import { Generator } from "./generate.ts";
import { whyNotRun } from "./not-run.ts";
import { Random } from "./random.ts";
import { Silicon } from "./silicon.ts";
import { defaultCase, formatCase, formatOutcome, parseCase } from "./text.ts";

/** Encodings and sets of values that are tried of a row, and how many cases are kept. */
const ENCODINGS = 24;
const VALUES = 6;
const KEPT = 3;

/** What may be as it is by default if the outcome stays as it is. */
const PARTS: readonly (readonly [number, number])[] = [
  ...parts(AT.ymmHigh, 16, 16),
  ...parts(AT.xmm, 16, 16),
  ...parts(AT.st, 16, 8),
  ...parts(AT.general, 8, 16),
  [AT.selectors, 2],
  [AT.selectors + 6, 2],
  [AT.selectors + 8, 2],
  [AT.selectors + 10, 2],
  [AT.rflags, 4],
  [AT.mxcsr, 4],
  [AT.image, 2],
  [AT.image + 2, 2],
  [AT.image + 4, 1],
  [AT.fsBase, 8],
  [AT.gsBase, 8],
  ...parts(AT.memory, 128, 8),
  ...parts(AT.memory, 16, 64),
];

function parts(at: number, bytes: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, k) => [at + k * bytes, bytes]);
}

/** Cases of the x87 that chance rarely meets. */
const DIRECTED = [
  // two QNaNs of one significand: the positive one
  "64 d8c1 st0=ffffc000000000000001 st1=7fffc000000000000001 tags=3",
  "64 d8c1 st0=7fffc000000000000001 st1=ffffc000000000000001 tags=3",
  // a signalling NaN and a quiet one: the quiet; two signalling: the larger
  "64 d8c9 st0=7fffbfffffffffffffff st1=ffffc000000000000000 tags=3",
  "64 d8c9 st0=7fff8000000000000001 st1=ffffbfffffffffffffff tags=3",
  // halfway between two numbers, the lower one even and odd
  "64 d8c1 st0=3fff8000000000000000 st1=3fbf8000000000000000 tags=3",
  "64 d8c1 st0=3fff8000000000000001 st1=3fbf8000000000000000 tags=3",
  "64 d8c9 st0=3fff8000000000000001 st1=3fffc000000000000000 tags=3",
  "64 d8c9 st0=3fff8000000000000003 st1=3fffc000000000000000 tags=3",
  // a carry through the whole significand, and cancellation to the last bit
  "64 d8c1 st0=3fffffffffffffffffff st1=3fbf8000000000000000 tags=3",
  "64 d8e1 st0=3fff8000000000000000 st1=3ffeffffffffffffffff tags=3",
  // nothing left: the sign of zero is the rounding's
  "64 d8e1 st0=3fff8000000000000001 st1=3fff8000000000000001 tags=3",
  // inexact by the very last bit of the product
  "64 d8c9 st0=3fff8000000000000001 st1=3fff8000000000000001 tags=3",
  // quotients and roots just below and above half a place
  "64 d8f1 st0=3fff8000000000000000 st1=4000c000000000000000 tags=3",
  "64 d8f1 st0=40008000000000000000 st1=4000c000000000000000 tags=3",
  "64 d9fa st0=40008000000000000000 st1=0 tags=3",
  "64 d9fa st0=4000c000000000000000 st1=0 tags=3",
  // tiny before rounding, not after; and tiny either way
  "64 d8c9 st0=1ffffffffffffffff st1=3ffe8000000000000001 tags=3",
  "64 d916 rsi=20001000 st0=3f80ffffffffffffffff tags=1",
  "64 d916 rsi=20001000 st0=3f708000000000000001 tags=1",
  "64 dd16 rsi=20001000 st0=43feffffffffffffffff tags=1",
  // exponents 64 or more apart: one stride of the remainder
  "64 d9f8 st0=406089abcdef01234567 st1=3fffc000000000000001 tags=3",
  "64 d9f5 st0=4003d000000000000000 st1=40008000000000000000 tags=3",
];
/** Each with all exceptions masked and each rounding; with 24 and 53 bits; with some unmasked. */
const CONTROLS = ["37f", "77f", "b7f", "f7f", "7f", "27f", "340"];

const opened = Silicon.open();
if (!(opened instanceof Silicon)) throw new Error(`recording needs ${opened.missing}`);
const silicon = opened;

/** Without what does not belong to the answer outside 64-bit mode: bases, and upper halves. */
function outcome(before: Case, after: Case): string {
  if (before.bits !== 64) {
    after.u8.set(before.u8.subarray(AT.fsBase, AT.fsBase + 16), AT.fsBase);
    for (let k = 0; k < 16; k++)
      if (k < 8) after.setPair(k, after.low(k), before.high(k));
      else after.setPair(k, before.low(k), before.high(k));
  }
  return formatOutcome(before, after);
}

function copyOf(record: Case): Case {
  const copy = new Case();
  copy.copy(record);
  return copy;
}

/** The kind of an outcome: which fields it changes, and the exception. */
function kindOf(before: Case, text: string): string {
  const fields = text.split(" ").map((word) => word.replace(/^(m).*|=.*/, "$1"));
  return `${before.bits} ${/vector=\S+/.exec(text)?.[0]} ${fields.join(" ")}`;
}

/** A few cases of a row that behave most differently. */
function choose(row: Row, index: number): Case[] {
  const generator = new Generator(new Random(0x901d + index));
  const cases: Case[] = [];
  for (let k = 0; k < ENCODINGS; k++) {
    const shape = generator.shape(row);
    if (shape === undefined || shape.decoded.row !== row) continue;
    for (let n = 0; n < VALUES; n++) {
      const record = new Case();
      generator.fill(shape, record);
      cases.push(record);
    }
  }
  if (cases.length === 0) throw new Error(`no case of ${row.mnemonic}`);
  const seen = new Map<string, Case>();
  silicon.answer(cases).forEach((answer, k) => {
    const before = cases[k] as Case;
    if (answer.vector === ENDLESS) return;
    const kind = kindOf(before, outcome(before, answer));
    if (!seen.has(kind)) seen.set(kind, before);
  });
  // Those that complete first.
  const byVector = [...seen].sort(
    ([a], [b]) => Number(a.includes("vector=")) - Number(b.includes("vector=")),
  );
  const step = Math.max(1, Math.floor(byVector.length / KEPT));
  return byVector
    .filter((_, k) => k % step === 0)
    .map(([, record]) => record)
    .slice(0, KEPT);
}

/** Makes in all cases as it is by default what does not matter to their outcomes. */
function simplify(cases: Case[]): void {
  const wanted = silicon.answer(cases).map((after, k) => outcome(cases[k] as Case, after));
  for (const [at, bytes] of PARTS) {
    const others = cases.map((record) => {
      const other = copyOf(record);
      const plain = defaultCase(record.bits, record.code, record.start);
      other.u8.set(plain.u8.subarray(at, at + bytes), at);
      return other;
    });
    silicon.answer(others).forEach((after, k) => {
      if (outcome(others[k] as Case, after) === wanted[k]) cases[k] = others[k] as Case;
    });
  }
}

const rows = TABLE.rows.filter((row) => whyNotRun(row) === undefined);
const cases = rows.flatMap((row) => choose(row, row.id));
simplify(cases);
for (const text of DIRECTED)
  for (const control of CONTROLS) cases.push(parseCase(`${text} fcw=${control}`));
const lines = silicon
  .answer(cases)
  .map((after, k) => `${formatCase(cases[k] as Case)} > ${outcome(cases[k] as Case, after)}`);
silicon.close();
const header = `# Cases of every row that runs in user mode, and what they come to on: ${silicon.cpu}.\n`;
writeFileSync(join(import.meta.dirname, "golden.txt"), `${header}${lines.join("\n")}\n`);
console.log(`${lines.length} cases of ${rows.length} rows`);

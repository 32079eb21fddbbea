/**
 * The software FPU against the host's own. On AMD's processors everything is compared
 * but the last bit of the transcendental instructions; on Intel's, which answer some
 * undocumented points otherwise, what the manuals define: arithmetic and conversion with
 * all exceptions masked and nothing empty.
 *
 * X87_CASES and X87_SEED run more, and other, cases by hand.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { x87Row } from "./table.ts";
import { allCodes, Random, randomCase } from "./testing/cases.ts";
import {
  CODE,
  CODE_LENGTH,
  differences,
  IMAGE,
  RECORD_BYTES,
  rowOf,
  SoftwareFpu,
  TAG_WORD,
} from "./testing/record.ts";
import { Silicon, siliconVendor } from "./testing/silicon.ts";

const CASES = Number(process.env.X87_CASES ?? 60_000);
const SEED = Number(process.env.X87_SEED ?? 20_240_607);
const BATCH = 20_000;
const vendor = siliconVendor();

const DEFINED_EVERYWHERE =
  /^f(add|sub|subr|mul|div|divr)p?$|^fi(add|sub|subr|mul|div|divr)$|^f(sqrt|rndint|ld|st|stp|ild|ist|istp|isttp|bld|bstp|chs|abs)$/;

/** Masks everything, fills every register but the one that a load pushes, avoids reserved PC. */
function tame(record: Uint8Array): void {
  record[IMAGE] |= 0x3f;
  if ((record[IMAGE + 1] & 3) === 1) record[IMAGE + 1] |= 2;
  const top = (record[IMAGE + 5] >> 3) & 7;
  const pushed = (top + 7) & 7;
  new DataView(record.buffer, record.byteOffset).setUint16(TAG_WORD, 3 << (2 * pushed), true);
}

describe.skipIf(vendor === null)("x87 against the host CPU (needs gcc and x86-64)", () => {
  let silicon: Silicon;
  beforeAll(() => {
    silicon = new Silicon();
  });
  afterAll(() => silicon.dispose());

  /** Both answers to `count` cases of these instructions; the first differences, as text. */
  function compare(
    codes: number[][],
    seed: number,
    count: number,
    prepare?: (record: Uint8Array) => void,
  ) {
    const random = new Random(seed);
    const software = new SoftwareFpu();
    const found: string[] = [];
    for (let done = 0; done < count && found.length < 10; done += BATCH) {
      const records = new Uint8Array(Math.min(BATCH, count - done) * RECORD_BYTES);
      const recordsOf = (all: Uint8Array) =>
        Array.from({ length: all.length / RECORD_BYTES }, (_, i) =>
          all.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES),
        );
      for (const record of recordsOf(records)) {
        randomCase(random, random.pick(codes), record);
        prepare?.(record);
      }
      const answers = recordsOf(silicon.answer(records));
      for (const [i, record] of recordsOf(records).entries()) {
        const before = Buffer.from(record).toString("hex");
        software.answer(record);
        const row = record[CODE] === 0x0f ? null : rowOf(record);
        const text = differences(row, record, answers[i]);
        const code = Buffer.from(record.subarray(CODE, CODE + record[CODE_LENGTH])).toString("hex");
        if (text !== "") found.push(`${row?.mnemonic ?? "fxsave"} (${code}): ${text} [${before}]`);
      }
    }
    return found.slice(0, 10);
  }

  const of = (pattern: RegExp) =>
    allCodes().filter(
      ([opcode, modrm]) =>
        opcode >= 0xd8 && pattern.test(rowOf(Uint8Array.of(2, opcode, modrm)).mnemonic),
    );

  it("does arithmetic and conversions as every vendor's x87 does", () => {
    const codes = of(DEFINED_EVERYWHERE);
    expect(codes.length).toBeGreaterThan(100);
    expect(compare(codes, SEED, CASES, tame)).toEqual([]);
  });

  it.skipIf(vendor !== "AMD")(
    "does every instruction as AMD's x87 does, unmasked exceptions and stack faults included",
    () => {
      expect(compare(allCodes(), SEED + 1, CASES)).toEqual([]);
    },
  );

  it("has #UD where silicon has it", () => {
    const record = new Uint8Array(RECORD_BYTES);
    randomCase(new Random(SEED), [0xd8, 0xc0], record);
    const wrong: string[] = [];
    for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
      for (let modrm = 0; modrm < 0x100; modrm += modrm < 0xc0 ? 8 : 1) {
        if (x87Row(opcode, modrm) !== undefined) continue;
        // (%rsi)
        record.set([opcode, modrm < 0xc0 ? (modrm & 0x38) | 6 : modrm], CODE);
        if (!silicon.isUndefined(record))
          wrong.push(`${opcode.toString(16)} ${modrm.toString(16)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.skipIf(vendor !== "AMD")(
    "comes within one unit in the last place in transcendental instructions",
    () => {
      const codes = of(/^(f2xm1|fyl2x|fyl2xp1|fpatan|fptan|fsin|fcos|fsincos)$/);
      expect(codes.length).toBe(8);
      expect(compare(codes, SEED + 2, Math.ceil(CASES / 6))).toEqual([]);
    },
  );
});

/**
 * Floating-point instructions in the engine against the host CPU: a sample of what `scripts/float.ts`
 * does at length. FLOAT_CASES and FLOAT_SEED take more, and others.
 */
import { describe, expect, it } from "vitest";
import { Silicon } from "../silicon.ts";
import { cases, describeCase, differences } from "./cases.ts";
import { EngineRecords } from "./machine.ts";
import { F32, F80, I16, operands, Random } from "./operands.ts";
import { isDefinedEverywhere, OPERATIONS } from "./operations.ts";

const CASES = Number(process.env.FLOAT_CASES ?? 100);
const SEED = Number(process.env.FLOAT_SEED ?? 7);

describe("operands", () => {
  it("are all different, and of their format", () => {
    for (const f of [F32, F80, I16])
      for (const level of [1, 2] as const) {
        const all = operands(f, level);
        expect(new Set(all).size).toBe(all.length);
        expect(all.every((bits) => bits >= 0n && bits < 1n << BigInt(f.bits))).toBe(true);
      }
  });

  it("have the ends of a format: zeros, least and greatest numbers, infinities, NaNs of both kinds", () => {
    const ends = [0, 1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fc0_0000];
    for (const end of ends) {
      expect(operands(F32, 1)).toContain(BigInt(end));
      expect(operands(F32, 1)).toContain(BigInt(end) | 0x8000_0000n);
    }
  });

  it("have what only 80 bits have: pseudo-denormals, unnormals, pseudo-infinities, pseudo-NaNs", () => {
    for (const [exponent, significand] of [
      [0n, 1n << 63n],
      [1n, 1n],
      [0x7fffn, 0n],
      [0x7fffn, 1n],
    ] as const)
      expect(operands(F80, 1)).toContain((exponent << 64n) | significand);
  });
});

const opened = Silicon.open();

describe.skipIf(!(opened instanceof Silicon))("vectors (needs gcc and x86-64)", () => {
  const silicon = opened instanceof Silicon ? opened : undefined;
  const isAmd = silicon?.isAmd === true;
  const engine = new EngineRecords();
  const random = new Random(SEED);
  const known = OPERATIONS.filter(
    (operation) => (isAmd || isDefinedEverywhere(operation)) && engine.knows(operation.code),
  );
  const inputs = known.map((operation) => cases(operation, random, CASES, !isAmd));
  const answers = silicon?.answer(inputs.flat()) ?? [];
  silicon?.close();
  const starts = inputs.map((_, k) => inputs.slice(0, k).flat().length);

  it.each(known.map((operation, k) => [operation.name, k] as const))("%s", (_, k) => {
    const operation = known[k] as (typeof known)[number];
    const records = inputs[k] as (typeof inputs)[number];
    const texts = records.map((record) => describeCase(operation, record));
    engine.run(operation.code, records);
    const found = records.flatMap((record, at) => {
      const answer = answers[(starts[k] as number) + at];
      const text = answer === undefined ? "no answer" : differences(operation, record, answer);
      return text === "" ? [] : [`${texts[at]}: ${text}`];
    });
    expect(found.slice(0, 4), `${found.length} of ${records.length} differ`).toEqual([]);
  });

  it("are of every floating-point instruction", () => {
    expect(known.length).toBeGreaterThan(250);
  });
});

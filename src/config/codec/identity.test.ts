import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { ConfigError } from "../config-error.ts";
import { DEMO_NAMES, demoCell } from "../demos/index.ts";
import { REVISIONS } from "../releases.ts";
import { arbitraryConfig, arbitrarySystem } from "../testing/arbitrary.ts";
import type { Architecture } from "../types.ts";
import { decodeConfig, encodeConfig } from "./index.ts";

/** `FUZZ_RUNS=1000000 vitest run src/config/codec` for a long search. */
const FUZZ_RUNS = Number(process.env.FUZZ_RUNS ?? 10_000);

/** Decodes; a refusal must say where and why. Whatever is accepted must encode to the same bytes. */
function refusedOrIdentical(bytes: Uint8Array, architecture: Architecture): void {
  const decoded = attempt(() => decodeConfig(bytes, { file: "fuzz.cell", architecture }));
  if (decoded instanceof ConfigError) {
    expect(decoded.file).toBe("fuzz.cell");
    expect(decoded.field).not.toBe("");
    expect(decoded.rule).not.toBe("");
    expect(decoded.offset).toBeGreaterThanOrEqual(0);
    expect(decoded.offset).toBeLessThanOrEqual(bytes.length);
    return;
  }
  const again = encodeConfig(decoded);
  if (again.length !== bytes.length || again.some((byte, index) => byte !== bytes[index]))
    expect(again).toEqual(bytes); // slow, but says what differs
}

function attempt<T>(body: () => T): T | ConfigError {
  try {
    return body();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

describe("decoding and encoding are inverses", () => {
  test("of every value a configuration can hold", () => {
    fc.assert(
      fc.property(arbitraryConfig, (config) => {
        const { architecture } = config;
        const bytes = encodeConfig(config);
        const decoded = decodeConfig(bytes, { file: "random.cell", architecture });
        expect(decoded).toEqual(config);
        expect(encodeConfig(decoded)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("of bytes that mean nothing: every byte of the fixed part of a system", () => {
    for (const revision of REVISIONS)
      for (const architecture of ["x86", "arm"] as const) {
        const system = arbitrarySystem(revision, architecture);
        for (const config of fc.sample(system, { numRuns: 1, seed: 7 })) {
          const bytes = encodeConfig(config);
          for (let at = 0; at < 488; at++) {
            const changed = bytes.slice();
            changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7));
            refusedOrIdentical(changed, architecture);
          }
        }
      }
  });
});

describe("mutated files", () => {
  const originals = REVISIONS.flatMap((revision) => [
    ...[q35(revision), ...DEMO_NAMES.map((name) => demoCell(name, revision))],
    ...fc.sample(arbitrarySystem(revision, "arm64"), { numRuns: 2, seed: revision }),
  ]).map((config) => ({ bytes: encodeConfig(config), architecture: config.architecture }));

  const word = fc.constantFrom(0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff);
  const mutation = fc.oneof(
    // anywhere, and in the header where everything is decided
    fc.record({ kind: fc.constant("flip" as const), bit: fc.nat() }),
    fc.record({ kind: fc.constant("flip" as const), bit: fc.nat({ max: 400 * 8 }) }),
    fc.record({ kind: fc.constant("word" as const), at: fc.nat({ max: 480 }), value: word }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
    fc.record({ kind: fc.constant("grow" as const), by: fc.uint8Array({ maxLength: 100 }) }),
  );
  type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

  function mutate(bytes: Uint8Array, change: Mutation): Uint8Array {
    if (bytes.length === 0) return bytes;
    const result = Uint8Array.from(bytes);
    switch (change.kind) {
      case "flip": {
        const at = (change.bit >> 3) % result.length;
        result[at] = (result[at] ?? 0) ^ (1 << (change.bit & 7));
        return result;
      }
      case "word":
        if (change.at + 4 <= result.length)
          new DataView(result.buffer).setUint32(change.at, change.value, true);
        return result;
      case "cut":
        return result.slice(0, change.at % result.length);
      case "grow":
        return Uint8Array.of(...result, ...change.by);
    }
  }

  test(`${FUZZ_RUNS} of them are refused by name or survive unchanged`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(mutation, { minLength: 1, maxLength: 6 }),
        ({ bytes, architecture }, changes) => {
          refusedOrIdentical(changes.reduce(mutate, bytes), architecture);
        },
      ),
      { numRuns: FUZZ_RUNS },
    );
  });

  test("random bytes behind a valid signature", () => {
    const signature = fc.constantFrom(...originals).map(({ bytes }) => bytes.subarray(0, 8));
    fc.assert(
      fc.property(signature, fc.uint8Array({ maxLength: 700 }), (head, body) => {
        refusedOrIdentical(Uint8Array.of(...head, ...body), "x86");
      }),
      { numRuns: 1000 },
    );
  });
});

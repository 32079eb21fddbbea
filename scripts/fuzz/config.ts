/** Damaged configurations of every revision: refused by name, or read and written back unchanged. */
import { q35 } from "../../src/config/boards/q35.ts";
import { decodeConfig, encodeConfig } from "../../src/config/codec/index.ts";
import { ConfigError } from "../../src/config/config-error.ts";
import { DEMO_NAMES, demoCell } from "../../src/config/demos/index.ts";
import { REVISIONS } from "../../src/config/releases.ts";
import { Random } from "./random.ts";
import type { Target } from "./worker.ts";

const SEEDS = REVISIONS.flatMap((revision) => [
  encodeConfig(q35(revision)),
  ...DEMO_NAMES.map((name) => encodeConfig(demoCell(name, revision))),
]);

export const target: Target = {
  run(seed, number) {
    const random = new Random(seed, number);
    const original = random.pick(SEEDS);
    const file = original.slice(
      0,
      random.below(8) === 0 ? random.below(original.length) : original.length,
    );
    const edits = random.below(12);
    for (let edit = 0; edit < edits; edit++)
      // most of what can go wrong stands in the first bytes: counts, sizes, codes
      file[random.below(random.below(2) === 0 ? file.length : 256)] = random.u32();
    const before = file.slice();
    try {
      const again = encodeConfig(decodeConfig(file, { file: "fuzzed" }));
      if (Buffer.compare(again, before) !== 0)
        throw new Error("decode and encode changed the file");
      return "read and written back";
    } catch (error) {
      if (error instanceof ConfigError) return "refused";
      throw error;
    }
  },
};

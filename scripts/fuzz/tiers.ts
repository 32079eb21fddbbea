/** Random programs, compiled and not, in one piece and in many: all must leave the same behind. */
import { deepStrictEqual } from "node:assert/strict";
import { Random } from "../../src/engine/testing/random.ts";
import { numberProgram } from "../../src/engine/wasm/regions/testing/numbers.ts";
import { program, tangledProgram } from "../../src/engine/wasm/regions/testing/program.ts";
import { ProgramMachine } from "../../src/engine/wasm/regions/testing/run-program.ts";
import type { Target } from "./worker.ts";

/** Programs, how they are run, and how often they go round. */
const KINDS = [
  [program, "run", 150],
  [tangledProgram, "run", 2000],
  [numberProgram, "runNumbers", 150],
] as const;

const reference = new ProgramMachine("off");
const compiled = new ProgramMachine("always");

export const target: Target = {
  run(seed, number) {
    const values = () => new Random(Math.imul(seed, 0x9e37_79b1) ^ number);
    const [make, run, turns] = KINDS[number % KINDS.length] as (typeof KINDS)[number];
    const code = make(values());
    const expected = reference[run](code, turns, values());
    deepStrictEqual(compiled[run](code, turns, values()), expected);
    deepStrictEqual(compiled[run](code, turns, values(), values()), expected);
    return expected.stop;
  },
};

/** Random programs, compiled and not, in one piece and in many: all must leave the same behind. */
import { deepStrictEqual } from "node:assert/strict";
import { Random } from "../../src/engine/testing/random.ts";
import { numberProgram } from "../../src/engine/wasm/regions/testing/numbers.ts";
import { program } from "../../src/engine/wasm/regions/testing/program.ts";
import { ProgramMachine } from "../../src/engine/wasm/regions/testing/run-program.ts";
import type { Target } from "./worker.ts";

const TURNS = 150;

const reference = new ProgramMachine("off");
const compiled = new ProgramMachine("always");

export const target: Target = {
  run(seed, number) {
    const values = () => new Random(Math.imul(seed, 0x9e37_79b1) ^ number);
    const [make, run] =
      number % 2 === 0 ? ([program, "run"] as const) : ([numberProgram, "runNumbers"] as const);
    const code = make(values());
    const expected = reference[run](code, TURNS, values());
    deepStrictEqual(compiled[run](code, TURNS, values()), expected);
    deepStrictEqual(compiled[run](code, TURNS, values(), values()), expected);
    return expected.stop;
  },
};

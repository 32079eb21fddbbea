import { describe, expect, it } from "vitest";
import { Random } from "../../testing/random.ts";
import { numberProgram } from "./testing/numbers.ts";
import { program } from "./testing/program.ts";
import { ProgramMachine } from "./testing/run-program.ts";

const SEED = 20_261_122;
const PROGRAMS = 24;
const TURNS = 150;
const NUMBER_PROGRAMS = 60;

describe("compiled code", () => {
  const reference = new ProgramMachine("off");
  const compiled = new ProgramMachine("always");

  it(`does what tier 0 does, to the instruction, however a run is cut (seed ${SEED})`, () => {
    for (let number = 0; number < PROGRAMS; number++) {
      const seed = SEED + number;
      const code = program(new Random(seed));
      const expected = reference.run(code, TURNS, new Random(seed));
      const where = `program of seed ${seed}: ${Buffer.from(code).toString("hex")}`;
      expect(compiled.run(code, TURNS, new Random(seed)), where).toEqual(expected);
      expect(compiled.run(code, TURNS, new Random(seed), new Random(seed)), where).toEqual(
        expected,
      );
    }
  });

  it(`computes the numbers that tier 0 computes, with the same flags (seed ${SEED})`, () => {
    for (let number = 0; number < NUMBER_PROGRAMS; number++) {
      const seed = SEED + number;
      const code = numberProgram(new Random(seed));
      const expected = reference.runNumbers(code, TURNS, new Random(seed));
      const where = `program of seed ${seed}: ${Buffer.from(code).toString("hex")}`;
      expect(compiled.runNumbers(code, TURNS, new Random(seed)), where).toEqual(expected);
    }
  });
});

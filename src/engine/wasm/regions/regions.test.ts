import { describe, expect, it } from "vitest";
import { Random } from "../../testing/random.ts";
import { bare, enterLongMode, load } from "../../testing/run-code.ts";
import { dword } from "./testing/dword.ts";
import { numberProgram } from "./testing/numbers.ts";
import { program, tangledProgram } from "./testing/program.ts";
import { ProgramMachine } from "./testing/run-program.ts";

const SEED = 20_261_122;
const PROGRAMS = 24;
const TURNS = 150;
const TANGLED_PROGRAMS = 24;
/** As many as there is stack for, if all call. */
const BLOCKS = 400;
const DEVICE_PROGRAMS = 8;
const DEVICE_TURNS = 250;
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

  it(`goes wherever tier 0 goes, through loops of many entries and calls of itself (seed ${SEED})`, () => {
    for (let number = 0; number < TANGLED_PROGRAMS; number++) {
      const seed = SEED + number;
      const code = tangledProgram(new Random(seed));
      const expected = reference.run(code, BLOCKS, new Random(seed));
      const where = `program of seed ${seed}: ${Buffer.from(code).toString("hex")}`;
      expect(compiled.run(code, BLOCKS, new Random(seed)), where).toEqual(expected);
      expect(compiled.run(code, BLOCKS, new Random(seed), new Random(seed)), where).toEqual(
        expected,
      );
    }
  });

  it(`hands over the same exits, whatever the moderator does (seed ${SEED})`, () => {
    let exits = 0;
    for (let number = 0; number < DEVICE_PROGRAMS; number++) {
      const seed = SEED + number;
      const code = program(new Random(seed), true);
      const where = `program of seed ${seed}: ${Buffer.from(code).toString("hex")}`;
      const expected = reference.run(code, DEVICE_TURNS, new Random(seed));
      expect(compiled.run(code, DEVICE_TURNS, new Random(seed)), where).toEqual(expected);
      const cut = reference.run(code, DEVICE_TURNS, new Random(seed), new Random(seed));
      expect(compiled.run(code, DEVICE_TURNS, new Random(seed), new Random(seed)), where).toEqual(
        cut,
      );
      exits += expected.events.length;
    }
    expect(exits).toBeGreaterThan(100 * DEVICE_PROGRAMS);
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

describe("more functions than regions there may be", () => {
  const FUNCTIONS = 100;
  const MAXIMUM = 16;
  const CODE = 0x10_0000;
  const ROUNDS = 3;

  it("are all right, and the oldest regions are given up", () => {
    const machine = bare({ jit: "always" });
    machine.engine.regions.maximum = MAXIMUM;
    enterLongMode(machine);
    const code: number[] = [];
    // mov ecx, ROUNDS; then a call of each function; dec ecx; jnz; hlt
    code.push(0xb9, ...dword(ROUNDS));
    const first = 5 + 5 * FUNCTIONS + 9;
    for (let k = 0; k < FUNCTIONS; k++)
      code.push(0xe8, ...dword(first + 16 * k - (code.length + 5)));
    code.push(0xff, 0xc9, 0x0f, 0x85, ...dword(5 - (code.length + 8)), 0xf4);
    // add eax, k; ret
    for (let k = 0; k < FUNCTIONS; k++)
      code.push(0x05, ...dword(k), 0xc3, ...new Array<number>(10).fill(0xcc));
    load(machine, CODE, code);
    const { vcpu, engine } = machine;
    vcpu.registers.set("rax", 0n);
    vcpu.registers.set("rsp", 0x30_0000n);
    expect(vcpu.run(1_000_000).kind).toBe("halted");
    expect(vcpu.registers.get("rax")).toBe(BigInt((ROUNDS * FUNCTIONS * (FUNCTIONS - 1)) / 2));
    expect(vcpu.retired).toBe(1 + ROUNDS * (3 * FUNCTIONS + 2) + 1);
    expect(engine.regions.compiled).toBeGreaterThan(MAXIMUM);
    expect(engine.regions.count).toBeLessThanOrEqual(MAXIMUM);
  });
});

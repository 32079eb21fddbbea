import { afterAll, describe, expect, it } from "vitest";
import { AT, Batch } from "../../testing/case.ts";
import { Random } from "../../testing/random.ts";
import { Silicon } from "../../testing/silicon.ts";
import { defaultCase } from "../../testing/text.ts";
import {
  add,
  compare,
  compareMask,
  divide,
  maximum,
  minimum,
  multiply,
  squareRoot,
  subtract,
} from "./arithmetic.ts";
import { fromInteger, toFormat, toInteger, toIntegral } from "./convert.ts";
import { Environment } from "./environment.ts";
import { DOUBLE, type Format, SINGLE } from "./format.ts";
import { ZERO } from "./mxcsr.ts";
import { awkward } from "./testing/operands.ts";

const silicon = Silicon.open();
afterAll(() => {
  if (silicon instanceof Silicon) silicon.close();
});

/** How often each operation is tried; more by hand. */
const ROUNDS = Number(process.env.SILICON_ROUNDS ?? 400);

interface Operation {
  readonly name: string;
  readonly code: readonly number[];
  readonly source: Format;
  /** Where the result is: XMM0's low bits, EAX or RAX, or ZF, PF, CF. */
  readonly result: 16 | 32 | 64 | "eax" | "rax" | "flags";
  readonly integer?: boolean;
  compute(e: Environment, a: bigint, b: bigint): bigint;
}

const operations: Operation[] = [];
for (const [f, prefix, packed] of [
  [SINGLE, 0xf3, []],
  [DOUBLE, 0xf2, [0x66]],
] as const) {
  const suffix = f === SINGLE ? "SS" : "SD";
  const binary = [
    ["ADD", 0x58, add],
    ["MUL", 0x59, multiply],
    ["SUB", 0x5c, subtract],
    ["MIN", 0x5d, minimum],
    ["DIV", 0x5e, divide],
    ["MAX", 0x5f, maximum],
  ] as const;
  for (const [name, opcode, compute] of binary)
    operations.push({
      name: name + suffix,
      code: [prefix, 0x0f, opcode, 0xc1],
      source: f,
      result: f.bits,
      compute: (e, a, b) => compute(e, f, a, b),
    });
  operations.push({
    name: `SQRT${suffix}`,
    code: [prefix, 0x0f, 0x51, 0xc1],
    source: f,
    result: f.bits,
    compute: (e, _, b) => squareRoot(e, f, b),
  });
  for (let predicate = 0; predicate < 8; predicate++)
    operations.push({
      name: `CMP${suffix} ${predicate}`,
      code: [prefix, 0x0f, 0xc2, 0xc1, predicate],
      source: f,
      result: f.bits,
      compute: (e, a, b) => compareMask(e, f, a, b, predicate),
    });
  for (const [name, opcode, quiet] of [
    ["UCOMI", 0x2e, true],
    ["COMI", 0x2f, false],
  ] as const)
    operations.push({
      name: name + suffix,
      code: [...packed, 0x0f, opcode, 0xc1],
      source: f,
      result: "flags",
      compute: (e, a, b) => {
        const order = compare(e, f, a, b, quiet);
        return order === undefined ? 0x45n : order === 0 ? 0x40n : order < 0 ? 1n : 0n;
      },
    });
  for (const control of [0, 1, 2, 3, 4, 8, 9, 12])
    operations.push({
      name: `ROUND${suffix} ${control}`,
      code: [0x66, 0x0f, 0x3a, f === SINGLE ? 0x0a : 0x0b, 0xc1, control],
      source: f,
      result: f.bits,
      compute: (e, _, b) => toIntegral(e, f, b, control),
    });
  for (const bits of [32, 64] as const) {
    const rex = bits === 64 ? [0x48] : [];
    const result = bits === 64 ? "rax" : "eax";
    operations.push({
      name: `CVT${suffix}2SI ${bits}`,
      code: [prefix, ...rex, 0x0f, 0x2d, 0xc1],
      source: f,
      result,
      compute: (e, _, b) => toInteger(e, f, b, bits),
    });
    operations.push({
      name: `CVTT${suffix}2SI ${bits}`,
      code: [prefix, ...rex, 0x0f, 0x2c, 0xc1],
      source: f,
      result,
      compute: (e, _, b) => toInteger(e, f, b, bits, ZERO),
    });
    operations.push({
      name: `CVTSI2${suffix} ${bits}`,
      code: [prefix, ...rex, 0x0f, 0x2a, 0xc0],
      source: f,
      result: f.bits,
      integer: true,
      compute: (e, a) => fromInteger(e, f, BigInt.asIntN(bits, a)),
    });
  }
  const to = f === SINGLE ? DOUBLE : SINGLE;
  operations.push({
    name: f === SINGLE ? "CVTSS2SD" : "CVTSD2SS",
    code: [prefix, 0x0f, 0x5a, 0xc1],
    source: f,
    result: to.bits,
    compute: (e, _, b) => toFormat(e, f, to, b),
  });
}

const hex = (x: bigint | number): string => `0x${x.toString(16)}`;

describe.skipIf(!(silicon instanceof Silicon))("exact arithmetic against the host CPU", () => {
  for (const [k, operation] of operations.entries())
    it(operation.name, () => {
      const random = new Random(k + 1);
      const f = operation.source;
      const records = new Batch(ROUNDS);
      const operands = records.cases.map((record) => {
        const a = operation.integer ? integer(random) : awkward(random, f);
        const b = awkward(random, f, a);
        const masks = random.below(4) === 0 ? random.below(64) << 7 : 0x1f80;
        const sticky = random.below(4) === 0 ? random.below(64) : 0;
        // A flag that is set and unmasked beforehand does not trap, but one thing at a time.
        const mxcsr =
          masks |
          (sticky & (masks >> 7)) |
          (random.below(4) << 13) |
          (random.below(3) === 0 ? 0x40 : 0) |
          (random.below(3) === 0 ? 0x8000 : 0);
        record.copy(defaultCase(64, operation.code, 0x2000));
        record.mxcsr = mxcsr;
        record.view.setBigUint64(AT.general, a, true);
        record.view.setBigUint64(AT.xmm, a, true);
        record.view.setBigUint64(AT.xmm + 16, b, true);
        return { a, b, mxcsr };
      });
      const answers = (silicon as Silicon).answer(records.cases);
      const e = new Environment();
      const failures: string[] = [];
      for (const [n, { a, b, mxcsr }] of operands.entries()) {
        const answer = answers[n]!;
        e.begin(mxcsr);
        const result = operation.compute(e, a, b);
        const input = `${hex(a)}, ${hex(b)}, mxcsr ${hex(mxcsr)}`;
        const trap = e.faults ? 19 : -1;
        if ((answer.vector | 0) !== trap || answer.mxcsr !== e.result)
          failures.push(
            `${input}: trap ${trap}, mxcsr ${hex(e.result)}; silicon ${answer.vector | 0}, ${hex(answer.mxcsr)}`,
          );
        else if (trap < 0) {
          const low = answer.view.getBigUint64(AT.xmm, true);
          const rax = answer.view.getBigUint64(AT.general, true);
          const expected =
            operation.result === "flags"
              ? BigInt(answer.rflags & 0x45)
              : operation.result === "rax"
                ? rax
                : operation.result === "eax"
                  ? BigInt.asUintN(32, rax)
                  : BigInt.asUintN(operation.result, low);
          if (result !== expected)
            failures.push(`${input}: ${hex(result)}; silicon ${hex(expected)}`);
        }
      }
      expect(failures.slice(0, 10), `${failures.length} differences`).toEqual([]);
    });
});

/** A 64-bit integer of any length. */
function integer(random: Random): bigint {
  const value = random.u64() >> BigInt(random.below(64));
  return BigInt.asUintN(64, random.below(2) === 0 ? value : -value);
}

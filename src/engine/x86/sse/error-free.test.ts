import { describe, expect, it } from "vitest";
import { Random } from "../../testing/random.ts";
import { add, type Binary, divide, multiply, squareRoot, subtract } from "./arithmetic.ts";
import { Environment } from "./environment.ts";
import { errorFree, type Operation } from "./error-free.ts";
import { DOUBLE, SINGLE } from "./format.ts";
import { awkward } from "./testing/operands.ts";

const ROUNDS = Number(process.env.SILICON_ROUNDS ?? 400) * 10;

const OPERATIONS: readonly [Operation, Binary][] = [
  ["add", add],
  ["subtract", subtract],
  ["multiply", multiply],
  ["divide", divide],
  ["squareRoot", (e, f, _, b) => squareRoot(e, f, b)],
];

const view = new DataView(new ArrayBuffer(8));

describe("arithmetic on doubles with their errors gives what exact arithmetic gives", () => {
  for (const f of [SINGLE, DOUBLE])
    for (const [operation, exact] of OPERATIONS)
      it(`${operation} of ${f.bits} bits`, () => {
        const isSingle = f === SINGLE;
        const decode = (a: bigint): number => {
          view.setBigUint64(0, a << BigInt(64 - f.bits));
          return isSingle ? view.getFloat32(0) : view.getFloat64(0);
        };
        const encode = (x: number): bigint => {
          if (isSingle) view.setFloat32(0, x);
          else view.setFloat64(0, x);
          return isSingle ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
        };
        const random = new Random(f.bits);
        const fast = new Environment();
        const slow = new Environment();
        let taken = 0;
        for (let k = 0; k < ROUNDS; k++) {
          // Exponents near each other most of the time: else little is in range.
          const encodeSmall = (): bigint =>
            encode((random.u32() - 2 ** 31) * 2 ** (random.below(80) - 60));
          const a = random.below(3) === 0 ? awkward(random, f) : encodeSmall();
          const b = random.below(3) === 0 ? awkward(random, f, a) : encodeSmall();
          const mxcsr = 0x1f80 | (random.below(4) << 13);
          fast.begin(mxcsr);
          slow.begin(mxcsr);
          const result = errorFree(fast, isSingle, operation, decode(a), decode(b));
          if (Number.isNaN(result)) continue;
          taken++;
          const wanted = exact(slow, f, a, b);
          expect(
            [encode(result), fast.result],
            `${a.toString(16)} ${b.toString(16)} ${mxcsr.toString(16)}`,
          ).toEqual([wanted, slow.result]);
        }
        expect(taken).toBeGreaterThan(ROUNDS / 10);
      });
});

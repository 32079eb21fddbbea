import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { eachLane, vector } from "../sse/forms.ts";
import { exactly, guarded } from "../sse/guard.ts";
import { firstSource, readVector, writeVector } from "../sse/operands.ts";
import { absolute, every, low, SINGLES, splat, withLow } from "../sse/shapes.ts";

/** Twelve bits of the significand, the hidden one included; see approximate.ts. */
function toTwelveBits(i: Instruction, a: Value): Value {
  const rounded = i.op("i32x4.add", a, i.op("i32x4.splat", i.i32(0x800)));
  return i.op("v128.and", rounded, i.op("i32x4.splat", i.i32(~0xfff)));
}

function reciprocal(i: Instruction, a: Value): Value {
  return toTwelveBits(i, i.op("f32x4.div", splat(i, SINGLES, 1), a));
}

/** As doubles, two by two. */
function reciprocalRoot(i: Instruction, a: Value): Value {
  const upper = i.shuffle(a, a, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
  const [p, q] = [a, upper].map((half) => {
    const root = i.op("f64x2.sqrt", i.op("f64x2.promote_low_f32x4", half));
    const quotient = i.op("f64x2.div", i.op("f64x2.splat", i.f64(1)), root);
    return i.op("f32x4.demote_f64x2_zero", quotient);
  }) as [Value, Value];
  const lanes = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
  return toTwelveBits(i, i.shuffle(p, q, lanes));
}

/** Approximations with a relative error of at most 1.5 * 2^-12: no flags, no exceptions. */
for (const [opcode, name, approximate, isSigned] of [
  ["52", "RSQRT", reciprocalRoot, false],
  ["53", "RCP", reciprocal, true],
] as const)
  for (const [prefix, suffix] of [
    ["NP", "ps"],
    ["F3", "ss"],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${name}${suffix.toUpperCase()} V${suffix},${suffix === "ss" ? "Hss," : ""}W${suffix}`,
      (i) => {
        const packed = suffix === "ps";
        const source = firstSource(i);
        const from = readVector(i, source + 1);
        const into = readVector(i, source);
        const quick = eachLane(into, from, (x, y) => {
          const result = approximate(i, y);
          return packed ? result : withLow(i, SINGLES, x, low(i, SINGLES, result));
        });
        // Operand and result are normal.
        const isOrdinary = (k: number): Value => {
          const lane = from[k] as Value;
          const size = isSigned ? absolute(i, SINGLES, lane) : lane;
          const above = i.op("f32x4.ge", size, splat(i, SINGLES, 2 ** -125));
          const below = i.op("f32x4.le", size, splat(i, SINGLES, 2 ** 125));
          return every(i, SINGLES, packed, i.op("v128.and", above, below));
        };
        const result = guarded(i, quick, [isOrdinary], () =>
          exactly(i, (name + suffix).toLowerCase(), into, from),
        );
        writeVector(i, 0, result);
      },
      suffix === "ss" ? { length: "LIG" } : {},
    );

import type { Value } from "../../micro/micro-op.ts";
import { vector } from "../sse/forms.ts";
import { fast, guarded, isAlwaysFast, pass, resultOf } from "../sse/guard.ts";
import { firstSource, readXmm, writeVector, writeXmm } from "../sse/operands.ts";
import { integerRange } from "../sse/range.ts";
import { DOUBLES, low, SINGLES } from "../sse/shapes.ts";
import { learn } from "../sse/speculation.ts";
import { SSE_FIRST, SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";

/** Conversions between general registers and scalars. */
const LIG = { length: "LIG" } as const;

for (const [prefix, shape] of [
  ["F3", SINGLES],
  ["F2", DOUBLES],
] as const) {
  const { suffix, element } = shape;
  vector(
    `${prefix} 0f 2a`,
    `CVTSI2S${suffix.toUpperCase()} Vs${suffix},Hs${suffix},Ey`,
    (i) => {
      const wide = i.bits === 64;
      const source = firstSource(i);
      const value = i.read(source + 1);
      const into = readXmm(i, source);
      const converted = wide
        ? i.op(`${element}.convert_i64_s`, value)
        : i.op(`${element}.convert_i32_s`, i.wrap(value));
      const quick = i.lane(`${shape.vector}.replace_lane`, 0, into, converted);
      // 32 bits always fit in a double.
      learn(i, shape, false, [quick], [], () => integerRange(shape.extent, wide ? 64 : 32));
      if (!wide && shape === DOUBLES) {
        writeXmm(i, 0, quick);
        return;
      }
      // Exact without a look at MXCSR, if no more bits are used than the format has.
      const bits = wide ? value : i.signExtend(value, 32);
      const limit = shape === SINGLES ? 1 << 24 : 2 ** 53;
      const isSmall = (): Value => i.op("i64.le_u", i.add(bits, i.i64(limit)), i.i64(2 * limit));
      const result = guarded(i, [quick], [() => fast(i), isSmall], () => {
        pass(i, SSE_FIRST, [into]);
        i.storeState(SSE_INTEGER, "i64", value);
        return resultOf(i, `cvtsi2s${suffix}${wide ? 64 : 32}`, 1);
      });
      writeVector(i, 0, result);
    },
    LIG,
  );

  for (const [opcode, name, truncates] of [
    ["2c", "CVTTS", true],
    ["2d", "CVTS", false],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${name}${suffix.toUpperCase()}2SI Gy,Ws${suffix}`,
      (i) => {
        const wide = i.bits === 64;
        const source = readXmm(i, 1);
        const x = low(i, shape, source);
        const rounded = i.op(`${element}.${truncates ? "trunc" : "nearest"}`, x);
        const integer = wide
          ? i.op(`i64.trunc_sat_${element}_s`, rounded)
          : i.extend(i.op(`i32.trunc_sat_${element}_s`, rounded));
        // In range, and exact or nobody asks. The least integer is left to the helper, and so are NaNs.
        const proof = (): Value => {
          const size = i.op(`${element}.abs`, rounded);
          const limit = wide ? 2 ** 63 : 2 ** 31;
          const inRange = i.op(
            `${element}.lt`,
            size,
            element === "f32" ? i.f32(limit) : i.f64(limit),
          );
          if (isAlwaysFast(i)) return inRange;
          return i.op(
            "i32.and",
            inRange,
            i.op("i32.or", fast(i), i.op(`${element}.eq`, rounded, x)),
          );
        };
        const [result] = guarded(i, [integer], [proof], () => {
          pass(i, SSE_SECOND, [source]);
          i.helper(`cvt${truncates ? "t" : ""}s${suffix}2si${wide ? 64 : 32}`);
          return [i.loadState(SSE_RESULT, "i64")];
        });
        i.write(0, result as Value);
      },
      LIG,
    );
}

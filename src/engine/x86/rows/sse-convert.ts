import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import {
  absolute,
  compareAll,
  convertExactly,
  DOUBLES,
  every,
  exactly,
  fast,
  guarded,
  isZero,
  low,
  notDenormal,
  type Shape,
  SINGLES,
  splat,
} from "../sse/guard.ts";
import { readXmm, writeXmm } from "../sse/operands.ts";

/** Conversions between vectors of singles, doubles and 32-bit integers. */
const SSE = { unit: "sse" } as const;

row(
  "F3 0f 5a",
  "CVTSS2SD Vsd,Wss",
  (i) => {
    const source = readXmm(i, 1);
    const into = i.loadState(i.place(0), "v128");
    const x = low(i, SINGLES, source);
    const quick = i.lane("f64x2.replace_lane", 0, into, i.op("f64.promote_f32", x));
    writeXmm(
      i,
      0,
      guarded(i, quick, promotionProofs(i, source, false), () =>
        exactly(i, "cvtss2sd", into, source),
      ),
    );
  },
  SSE,
);
row(
  "NP 0f 5a",
  "CVTPS2PD Vpd,Wq",
  (i) => {
    // Both elements twice, so that all four count.
    const source = i.op("i64x2.splat", i.lane("i64x2.extract_lane", 0, readXmm(i, 1)));
    const quick = i.op("f64x2.promote_low_f32x4", source);
    writeXmm(
      i,
      0,
      guarded(i, quick, promotionProofs(i, source, true), () =>
        convertExactly(i, "cvtps2pd", source),
      ),
    );
  },
  SSE,
);

/** Widening is exact: only denormals and NaNs raise anything. */
function promotionProofs(i: Instruction, source: Value, packed: boolean): (() => Value)[] {
  return [
    () => {
      const ordered = i.op("f32x4.eq", source, source);
      return every(i, SINGLES, packed, i.op("v128.and", ordered, notDenormal(i, SINGLES, source)));
    },
  ];
}

row(
  "F2 0f 5a",
  "CVTSD2SS Vss,Wsd",
  (i) => {
    const source = readXmm(i, 1);
    const into = i.loadState(i.place(0), "v128");
    const narrow = i.op("f32.demote_f64", low(i, DOUBLES, source));
    const quick = i.lane("f32x4.replace_lane", 0, into, narrow);
    writeXmm(
      i,
      0,
      guarded(i, quick, demotionProofs(i, source, quick, false), () =>
        exactly(i, "cvtsd2ss", into, source),
      ),
    );
  },
  SSE,
);
row(
  "66 0f 5a",
  "CVTPD2PS Vps,Wpd",
  (i) => {
    const source = readXmm(i, 1);
    const quick = i.op("f32x4.demote_f64x2_zero", source);
    writeXmm(
      i,
      0,
      guarded(i, quick, demotionProofs(i, source, quick, true), () =>
        convertExactly(i, "cvtpd2ps", source),
      ),
    );
  },
  SSE,
);

/** Narrowing a number to a normal one, or a zero to a zero. */
function demotionProofs(
  i: Instruction,
  source: Value,
  quick: Value,
  packed: boolean,
): (() => Value)[] {
  return [
    () => {
      const size = absolute(i, DOUBLES, source);
      // What is above the least normal single by a unit, and below the point that rounds to infinity.
      const above = i.op("f64x2.ge", size, splat(i, DOUBLES, 2 ** -125));
      const below = i.op("f64x2.lt", size, splat(i, DOUBLES, 2 ** 127));
      const good = i.op("v128.or", i.op("v128.and", above, below), isZero(i, DOUBLES, source));
      const isExact = i.op("f64x2.eq", i.op("f64x2.promote_low_f32x4", quick), source);
      const allowed = i.op("i32.or", fast(i), every(i, DOUBLES, packed, isExact));
      return i.op("i32.and", allowed, every(i, DOUBLES, packed, good));
    },
  ];
}

// Packed 32-bit integers.
row(
  "F3 0f e6",
  "CVTDQ2PD Vpd,Wq",
  (i) => writeXmm(i, 0, i.op("f64x2.convert_low_i32x4_s", readXmm(i, 1))),
  SSE,
);
row(
  "NP 0f 5b",
  "CVTDQ2PS Vps,Wdq",
  (i) => {
    const source = readXmm(i, 1);
    const quick = i.op("f32x4.convert_i32x4_s", source);
    const isExact = (): Value => {
      const size = i.op("i32x4.abs", source);
      return every(i, SINGLES, true, i.op("i32x4.le_u", size, i.op("i32x4.splat", i.i32(1 << 24))));
    };
    writeXmm(
      i,
      0,
      guarded(i, quick, [() => fast(i), isExact], () => convertExactly(i, "cvtdq2ps", source)),
    );
  },
  SSE,
);
for (const [prefix, name, truncates] of [
  ["66", "CVTPS2DQ", false],
  ["F3", "CVTTPS2DQ", true],
] as const)
  row(
    `${prefix} 0f 5b`,
    `${name} Vdq,Wps`,
    toIntegers(SINGLES, truncates, name.toLowerCase()),
    SSE,
  );
for (const [prefix, name, truncates] of [
  ["F2", "CVTPD2DQ", false],
  ["66", "CVTTPD2DQ", true],
] as const)
  row(
    `${prefix} 0f e6`,
    `${name} Vdq,Wpd`,
    toIntegers(DOUBLES, truncates, name.toLowerCase()),
    SSE,
  );

function toIntegers(shape: Shape, truncates: boolean, helper: string): Semantics {
  return (i) => {
    const source = readXmm(i, 1);
    const rounded = i.op(`${shape.vector}.${truncates ? "trunc" : "nearest"}`, source);
    const quick = i.op(
      shape === SINGLES ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f64x2_s_zero",
      rounded,
    );
    const proof = (): Value => {
      const inRange = compareAll(i, shape, true, "lt", absolute(i, shape, rounded), 2 ** 31);
      const isExact = every(i, shape, true, i.op(`${shape.vector}.eq`, rounded, source));
      return i.op("i32.and", inRange, i.op("i32.or", fast(i), isExact));
    };
    writeXmm(
      i,
      0,
      guarded(i, quick, [proof], () => convertExactly(i, helper, source)),
    );
  };
}

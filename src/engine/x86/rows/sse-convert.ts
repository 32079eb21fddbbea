import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { vector } from "../sse/forms.ts";
import { convertExactly, exactly, fast, guarded, isAlwaysFast, type Proof } from "../sse/guard.ts";
import {
  firstSource,
  type Lanes,
  readVector,
  readXmm,
  writeVector,
  writeXmm,
} from "../sse/operands.ts";
import { anyNormal, integerRange, type Range } from "../sse/range.ts";
import {
  absolute,
  compareAll,
  DOUBLES,
  every,
  isZero,
  low,
  notDenormal,
  type Shape,
  SINGLES,
  splat,
} from "../sse/shapes.ts";
import { learn, speculate, speculateNumbers } from "../sse/speculation.ts";

/** Conversions between vectors of singles, doubles and 32-bit integers. */
const LIG = { length: "LIG" } as const;

/** The source of a conversion to wider elements: for each lane of the result its 64 bits, twice. */
function halves(i: Instruction): Lanes {
  const source = readXmm(i, 1);
  return Array.from({ length: i.decoded.vectorBits / 128 }, (_, k) =>
    i.op("i64x2.splat", i.lane("i64x2.extract_lane", k, source)),
  );
}

/** The low halves of the lanes side by side; one alone is whole. */
function joined(i: Instruction, lanes: Lanes): Value {
  const [lower, upper] = lanes as readonly [Value, Value?];
  if (upper === undefined) return lower;
  return i.shuffle(lower, upper, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
}

vector(
  "F3 0f 5a",
  "CVTSS2SD Vsd,Hsd,Wss",
  (i) => {
    const first = firstSource(i);
    const source = readXmm(i, first + 1);
    const into = readXmm(i, first);
    const x = low(i, SINGLES, source);
    const quick = i.lane("f64x2.replace_lane", 0, into, i.op("f64.promote_f32", x));
    const result = promoted(i, [quick], [source], false, () =>
      exactly(i, "cvtss2sd", [into], [source]),
    );
    writeVector(i, 0, result);
  },
  LIG,
);
vector("NP 0f 5a", "CVTPS2PD Vpd,Wx/2", (i) => {
  const sources = halves(i);
  const quick = sources.map((source) => i.op("f64x2.promote_low_f32x4", source));
  const result = promoted(i, quick, sources, true, () =>
    convertExactly(i, "cvtps2pd", [joined(i, sources)], quick.length),
  );
  writeVector(i, 0, result);
});

/** Widening is exact: only denormals and NaNs raise anything. */
function promoted(
  i: Instruction,
  quick: Lanes,
  sources: Lanes,
  packed: boolean,
  exact: () => Lanes,
): Lanes {
  const { speculation } = i;
  if (speculation !== undefined) {
    speculateNumbers(i, speculation, SINGLES, packed, [sources]);
    learn(i, DOUBLES, packed, quick, [sources], ([x]) => x as Range, SINGLES);
    return quick;
  }
  const proof: Proof = (k) => {
    const source = sources[k] as Value;
    const ordered = i.op("f32x4.eq", source, source);
    return every(i, SINGLES, packed, i.op("v128.and", ordered, notDenormal(i, SINGLES, source)));
  };
  return guarded(i, quick, [proof], exact);
}

vector(
  "F2 0f 5a",
  "CVTSD2SS Vss,Hss,Wsd",
  (i) => {
    const first = firstSource(i);
    const source = readXmm(i, first + 1);
    const into = readXmm(i, first);
    const narrow = i.op("f32.demote_f64", low(i, DOUBLES, source));
    const quick = i.lane("f32x4.replace_lane", 0, into, narrow);
    const { speculation } = i;
    if (speculation !== undefined) {
      const wide = low(i, DOUBLES, source);
      speculate(i, speculation, SINGLES, false, [quick], [], {
        range: () => demotedRange(speculation.ranges.of("d", wide) ?? anyNormal(DOUBLES.extent)),
        zeros: () => isZero(i, DOUBLES, wide),
      });
      writeVector(i, 0, [quick]);
      return;
    }
    const result = guarded(i, [quick], [demotionProof(i, [source], [quick], false)], () =>
      exactly(i, "cvtsd2ss", [into], [source]),
    );
    writeVector(i, 0, result);
  },
  LIG,
);
vector("66 0f 5a", "CVTPD2PS Vdq,Wpd", (i) => {
  const sources = readVector(i, 1);
  const quick = sources.map((source) => i.op("f32x4.demote_f64x2_zero", source));
  narrow(i, "cvtpd2ps", sources, quick, demotionProof(i, sources, quick, true));
});

/** What narrowing leaves of a number, if it is not too small or too large. */
function demotedRange(range: Range): Range {
  return { ...range, unit: Math.max(range.unit, range.least - (SINGLES.extent.precision - 1)) };
}

/** Write 2 or 4 elements of 32 bits, made from as many of 64. */
function narrow(i: Instruction, helper: string, sources: Lanes, quick: Lanes, proof: Proof): void {
  const upper = (lane: Value): Value =>
    i.shuffle(lane, i.v128(0n), [8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16]);
  const result = guarded(i, quick, [proof], () => {
    const [whole] = convertExactly(i, helper, sources, 1) as readonly [Value];
    return quick.length === 1 ? [whole] : [whole, upper(whole)];
  });
  writeXmm(i, 0, joined(i, result));
}

/** Narrowing a number to a normal one, or a zero to a zero. */
function demotionProof(i: Instruction, sources: Lanes, quick: Lanes, packed: boolean): Proof {
  return (k) => {
    const source = sources[k] as Value;
    const size = absolute(i, DOUBLES, source);
    // What is above the least normal single by a unit, and below the point that rounds to infinity.
    const above = i.op("f64x2.ge", size, splat(i, DOUBLES, 2 ** -125));
    const below = i.op("f64x2.lt", size, splat(i, DOUBLES, 2 ** 127));
    const good = i.op("v128.or", i.op("v128.and", above, below), isZero(i, DOUBLES, source));
    if (isAlwaysFast(i)) return every(i, DOUBLES, packed, good);
    const widened = i.op("f64x2.promote_low_f32x4", quick[k] as Value);
    const isExact = i.op("f64x2.eq", widened, source);
    const allowed = i.op("i32.or", fast(i), every(i, DOUBLES, packed, isExact));
    return i.op("i32.and", allowed, every(i, DOUBLES, packed, good));
  };
}

// Packed 32-bit integers.
vector("F3 0f e6", "CVTDQ2PD Vpd,Wx/2", (i) => {
  const result = halves(i).map((source) => i.op("f64x2.convert_low_i32x4_s", source));
  learn(i, DOUBLES, true, result, [], () => integerRange(DOUBLES.extent, 32));
  writeVector(i, 0, result);
});
vector("NP 0f 5b", "CVTDQ2PS Vps,Wx", (i) => {
  const sources = readVector(i, 1);
  const quick = sources.map((source) => i.op("f32x4.convert_i32x4_s", source));
  const isExact: Proof = (k) => {
    const size = i.op("i32x4.abs", sources[k] as Value);
    return every(i, SINGLES, true, i.op("i32x4.le_u", size, i.op("i32x4.splat", i.i32(1 << 24))));
  };
  const result = guarded(i, quick, [() => fast(i), isExact], () =>
    convertExactly(i, "cvtdq2ps", sources),
  );
  learn(i, SINGLES, true, result, [], () => integerRange(SINGLES.extent, 32));
  writeVector(i, 0, result);
});
for (const [prefix, name, truncates] of [
  ["66", "CVTPS2DQ", false],
  ["F3", "CVTTPS2DQ", true],
] as const)
  vector(`${prefix} 0f 5b`, `${name} Vx,Wps`, toIntegers(SINGLES, truncates, name.toLowerCase()));
for (const [prefix, name, truncates] of [
  ["F2", "CVTPD2DQ", false],
  ["66", "CVTTPD2DQ", true],
] as const)
  vector(`${prefix} 0f e6`, `${name} Vdq,Wpd`, toIntegers(DOUBLES, truncates, name.toLowerCase()));

function toIntegers(shape: Shape, truncates: boolean, helper: string): Semantics {
  return (i) => {
    const sources = readVector(i, 1);
    const rounded = sources.map((source) =>
      i.op(`${shape.vector}.${truncates ? "trunc" : "nearest"}`, source),
    );
    const quick = rounded.map((lane) =>
      i.op(shape === SINGLES ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f64x2_s_zero", lane),
    );
    const proof: Proof = (k) => {
      const lane = rounded[k] as Value;
      const inRange = compareAll(i, shape, true, "lt", absolute(i, shape, lane), 2 ** 31);
      if (isAlwaysFast(i)) return inRange;
      const equal = i.op(`${shape.vector}.eq`, lane, sources[k] as Value);
      return i.op("i32.and", inRange, i.op("i32.or", fast(i), every(i, shape, true, equal)));
    };
    if (shape === DOUBLES) narrow(i, helper, sources, quick, proof);
    else
      writeVector(
        i,
        0,
        guarded(i, quick, [proof], () => convertExactly(i, helper, sources)),
      );
  };
}

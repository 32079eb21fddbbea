import type { Value } from "../../micro/lift.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import {
  absolute, compareAll, DOUBLES, every, exactly, fast, guarded, isZero, low, notDenormal, type Shape, SINGLES, splat,
} from "../sse/guard.ts";
import { checkMmx, commitMmx, immediate, readMmx, readXmm, writeMmx, writeXmm } from "../sse/operands.ts";
import { SSE_FIRST, SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";

/** Conversions between integers, singles and doubles, and rounding to integral values. */
const SSE = { unit: "sse" } as const;

/** Let a helper convert `source`; the other elements of `into` stay. */
function convertExactly(i: Instruction, helper: string, source: Value): Value {
  i.storeState(SSE_SECOND, "v128", source);
  i.helper(helper);
  return i.loadState(SSE_RESULT, "v128");
}

// General register to scalar. 32 bits always fit in a double.
for (const [prefix, shape] of [["F3", SINGLES], ["F2", DOUBLES]] as const) {
  const { suffix, element, vector } = shape;
  row(`${prefix} 0f 2a`, `CVTSI2S${suffix.toUpperCase()} Vs${suffix},Ey`, (i) => {
    const wide = i.bits === 64;
    const value = i.read(1);
    const into = i.loadState(i.place(0), "v128");
    const converted = wide ? i.op(`${element}.convert_i64_s`, value) : i.op(`${element}.convert_i32_s`, i.wrap(value));
    const quick = i.lane(`${vector}.replace_lane`, 0, into, converted);
    if (!wide && shape === DOUBLES) {
      writeXmm(i, 0, quick);
      return;
    }
    // Exact without a look at MXCSR, if no more bits are used than the format has.
    const bits = wide ? value : i.signExtend(value, 32);
    const limit = shape === SINGLES ? 1 << 24 : 2 ** 53;
    const isSmall = (): Value => i.op("i64.le_u", i.add(bits, i.i64(limit)), i.i64(2 * limit));
    const result = guarded(i, quick, [() => fast(i), isSmall], () => {
      i.storeState(SSE_FIRST, "v128", into);
      i.storeState(SSE_INTEGER, "i64", value);
      i.helper(`cvtsi2s${suffix}${i.bits === 64 ? 64 : 32}`);
      return i.loadState(SSE_RESULT, "v128");
    });
    writeXmm(i, 0, result);
  }, SSE);

  for (const [opcode, name, truncates] of [["2c", "CVTTS", true], ["2d", "CVTS", false]] as const)
    row(`${prefix} 0f ${opcode}`, `${name}${suffix.toUpperCase()}2SI Gy,Ws${suffix}`, (i) => {
      const wide = i.bits === 64;
      const source = readXmm(i, 1);
      const x = low(i, shape, source);
      const rounded = i.op(`${element}.${truncates ? "trunc" : "nearest"}`, x);
      const integer = wide ? i.op(`i64.trunc_sat_${element}_s`, rounded) : i.extend(i.op(`i32.trunc_sat_${element}_s`, rounded));
      // In range, and exact or nobody asks. The least integer is left to the helper, and so are NaNs.
      const proof = (): Value => {
        const size = i.op(`${element}.abs`, rounded);
        const limit = wide ? 2 ** 63 : 2 ** 31;
        const inRange = i.op(`${element}.lt`, size, element === "f32" ? i.f32(limit) : i.f64(limit));
        return i.op("i32.and", inRange, i.op("i32.or", fast(i), i.op(`${element}.eq`, rounded, x)));
      };
      const result = guarded(i, integer, [proof], () => {
        i.storeState(SSE_SECOND, "v128", source);
        i.helper(`cvt${truncates ? "t" : ""}s${suffix}2si${wide ? 64 : 32}`);
        return i.loadState(SSE_RESULT, "i64");
      });
      i.write(0, result);
    }, SSE);
}

row("F3 0f 5a", "CVTSS2SD Vsd,Wss", (i) => {
  const source = readXmm(i, 1);
  const into = i.loadState(i.place(0), "v128");
  const x = low(i, SINGLES, source);
  const quick = i.lane("f64x2.replace_lane", 0, into, i.op("f64.promote_f32", x));
  writeXmm(i, 0, guarded(i, quick, promotionProofs(i, source, false), () => exactly(i, "cvtss2sd", into, source)));
}, SSE);
row("NP 0f 5a", "CVTPS2PD Vpd,Wq", (i) => {
  // Both elements twice, so that all four count.
  const source = i.op("i64x2.splat", i.lane("i64x2.extract_lane", 0, readXmm(i, 1)));
  const quick = i.op("f64x2.promote_low_f32x4", source);
  writeXmm(i, 0, guarded(i, quick, promotionProofs(i, source, true), () => convertExactly(i, "cvtps2pd", source)));
}, SSE);

/** Widening is exact: only denormals and NaNs raise anything. */
function promotionProofs(i: Instruction, source: Value, packed: boolean): (() => Value)[] {
  return [
    () => {
      const ordered = i.op("f32x4.eq", source, source);
      return every(i, SINGLES, packed, i.op("v128.and", ordered, notDenormal(i, SINGLES, source)));
    },
  ];
}

row("F2 0f 5a", "CVTSD2SS Vss,Wsd", (i) => {
  const source = readXmm(i, 1);
  const into = i.loadState(i.place(0), "v128");
  const narrow = i.op("f32.demote_f64", low(i, DOUBLES, source));
  const quick = i.lane("f32x4.replace_lane", 0, into, narrow);
  writeXmm(i, 0, guarded(i, quick, demotionProofs(i, source, false), () => exactly(i, "cvtsd2ss", into, source)));
}, SSE);
row("66 0f 5a", "CVTPD2PS Vps,Wpd", (i) => {
  const source = readXmm(i, 1);
  const quick = i.op("f32x4.demote_f64x2_zero", source);
  writeXmm(i, 0, guarded(i, quick, demotionProofs(i, source, true), () => convertExactly(i, "cvtpd2ps", source)));
}, SSE);

/** Narrowing a number to a normal one, or a zero to a zero. */
function demotionProofs(i: Instruction, source: Value, packed: boolean): (() => Value)[] {
  return [
    () => {
      const size = absolute(i, DOUBLES, source);
      // What is above the least normal single by a unit, and below the point that rounds to infinity.
      const above = i.op("f64x2.ge", size, splat(i, DOUBLES, 2 ** -125));
      const below = i.op("f64x2.lt", size, splat(i, DOUBLES, 2 ** 127));
      const good = i.op("v128.or", i.op("v128.and", above, below), isZero(i, DOUBLES, source));
      return i.op("i32.and", fast(i), every(i, DOUBLES, packed, good));
    },
  ];
}

// Packed 32-bit integers.
row("F3 0f e6", "CVTDQ2PD Vpd,Wq", (i) => writeXmm(i, 0, i.op("f64x2.convert_low_i32x4_s", readXmm(i, 1))), SSE);
row("NP 0f 5b", "CVTDQ2PS Vps,Wdq", (i) => {
  const source = readXmm(i, 1);
  const quick = i.op("f32x4.convert_i32x4_s", source);
  const isExact = (): Value => {
    const size = i.op("i32x4.abs", source);
    return every(i, SINGLES, true, i.op("i32x4.le_u", size, i.op("i32x4.splat", i.i32(1 << 24))));
  };
  writeXmm(i, 0, guarded(i, quick, [() => fast(i), isExact], () => convertExactly(i, "cvtdq2ps", source)));
}, SSE);
for (const [prefix, name, truncates] of [["66", "CVTPS2DQ", false], ["F3", "CVTTPS2DQ", true]] as const)
  row(`${prefix} 0f 5b`, `${name} Vdq,Wps`, toIntegers(SINGLES, truncates, name.toLowerCase()), SSE);
for (const [prefix, name, truncates] of [["F2", "CVTPD2DQ", false], ["66", "CVTTPD2DQ", true]] as const)
  row(`${prefix} 0f e6`, `${name} Vdq,Wpd`, toIntegers(DOUBLES, truncates, name.toLowerCase()), SSE);

function toIntegers(shape: Shape, truncates: boolean, helper: string): Semantics {
  return (i) => {
    const source = readXmm(i, 1);
    const rounded = i.op(`${shape.vector}.${truncates ? "trunc" : "nearest"}`, source);
    const quick = i.op(shape === SINGLES ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f64x2_s_zero", rounded);
    const proof = (): Value => {
      const inRange = compareAll(i, shape, true, "lt", absolute(i, shape, rounded), 2 ** 31);
      const isExact = every(i, shape, true, i.op(`${shape.vector}.eq`, rounded, source));
      return i.op("i32.and", inRange, i.op("i32.or", fast(i), isExact));
    };
    writeXmm(i, 0, guarded(i, quick, [proof], () => convertExactly(i, helper, source)));
  };
}

// MMX registers hold two 32-bit integers. From memory there is no transition to MMX.
for (const [form, operand] of [["mem", "M"], ["reg", "N"]] as const) {
  const read = (i: Instruction): Value => {
    if (form === "mem") return readXmm(i, 1);
    checkMmx(i);
    return readMmx(i, 1);
  };
  row(`NP 0f 2a ${form}`, `CVTPI2PS Vq,${operand}q`, (i) => {
    const source = read(i);
    const result = exactly(i, "cvtpi2ps", i.loadState(i.place(0), "v128"), source);
    if (form === "reg") commitMmx(i);
    writeXmm(i, 0, result);
  }, SSE);
  row(`66 0f 2a ${form}`, `CVTPI2PD Vpd,${operand}q`, (i) => {
    const source = read(i);
    if (form === "reg") commitMmx(i);
    writeXmm(i, 0, i.op("f64x2.convert_low_i32x4_s", source));
  }, SSE);
}
for (const [prefix, letter, size] of [["NP", "s", "q"], ["66", "d", "pd"]] as const)
  for (const [opcode, truncates] of [["2c", "t"], ["2d", ""]] as const)
    row(`${prefix} 0f ${opcode}`, `CVT${truncates.toUpperCase()}P${letter.toUpperCase()}2PI Pq,W${size}`, (i) => {
      checkMmx(i);
      const result = convertExactly(i, `cvt${truncates}p${letter}2pi`, readXmm(i, 1));
      commitMmx(i);
      writeMmx(i, 0, result);
    }, SSE);

// ROUNDxx: bit 3 of the immediate keeps PE out, bit 2 takes the rounding mode from MXCSR.
for (const [opcode, name, shape, packed] of [
  ["08", "ps", SINGLES, true],
  ["09", "pd", DOUBLES, true],
  ["0a", "ss", SINGLES, false],
  ["0b", "sd", DOUBLES, false],
] as const)
  row(`66 0f 3a ${opcode}`, `ROUND${name.toUpperCase()} V${name},W${name},Ib`, (i) => {
    const source = readXmm(i, 1);
    const into = packed ? source : i.loadState(i.place(0), "v128");
    const control = immediate(i, 2);
    const rounded = roundBy(i, shape, control, source);
    const quick = packed ? rounded : i.lane(`${shape.vector}.replace_lane`, 0, into, low(i, shape, rounded));
    const proof = (): Value => {
      const silent = i.op("i32.eq", i.op("i32.and", control, i.i32(0xc)), i.i32(8));
      const ordered = i.op("v128.and", i.op(`${shape.vector}.eq`, source, source), notDenormal(i, shape, source));
      return i.op("i32.and", i.op("i32.or", fast(i), silent), every(i, shape, packed, ordered));
    };
    const result = guarded(i, quick, [proof], () => {
      i.storeState(SSE_INTEGER, "i32", control);
      return exactly(i, `round${name}`, into, source);
    });
    writeXmm(i, 0, result);
  }, SSE);

/** Nearest if bit 2 is set: the proof then demands that MXCSR says so. */
function roundBy(i: Instruction, shape: Shape, control: Value, source: Value): Value {
  const round = (operation: string): Value => i.op(`${shape.vector}.${operation}`, source);
  const bit = (n: number): Value => i.op("i32.and", control, i.i32(n));
  const fixed = i.select(
    bit(2),
    i.select(bit(1), round("trunc"), round("ceil")),
    i.select(bit(1), round("floor"), round("nearest")),
  );
  return i.select(bit(4), round("nearest"), fixed);
}

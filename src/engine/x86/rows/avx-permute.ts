import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { avx, binary, unary } from "../sse/forms.ts";
import {
  byteOf,
  immediate,
  type Lanes,
  readVector,
  readXmm,
  writeVector,
  writeXmm,
} from "../sse/operands.ts";
import { doubleWordIndices } from "../sse/shuffle.ts";
import { XMM } from "../state.ts";
import { chooseHalf } from "./sse-shuffle.ts";

/** AVX and AVX2: broadcasts, permutations within and across lanes, halves of registers, VZEROALL. */

/** The lowest element everywhere. */
function broadcast(shape: "i8x16" | "i16x8" | "i32x4" | "i64x2"): Semantics {
  const unsigned = shape === "i8x16" || shape === "i16x8" ? "_u" : "";
  return (i) => {
    const element = i.lane(`${shape}.extract_lane${unsigned}`, 0, readXmm(i, 1));
    const lane = i.op(`${shape}.splat`, element);
    writeVector(i, 0, i.decoded.vectorBits === 256 ? [lane, lane] : [lane]);
  };
}
avx("W0 66 0f 38 18", "VBROADCASTSS Vx,Wss", broadcast("i32x4"));
avx("L1 W0 66 0f 38 19", "VBROADCASTSD Vqq,Wsd", broadcast("i64x2"));
avx("W0 66 0f 38 78", "VPBROADCASTB Vx,Wb", broadcast("i8x16"));
avx("W0 66 0f 38 79", "VPBROADCASTW Vx,Ww", broadcast("i16x8"));
avx("W0 66 0f 38 58", "VPBROADCASTD Vx,Wd", broadcast("i32x4"));
avx("W0 66 0f 38 59", "VPBROADCASTQ Vx,Wq", broadcast("i64x2"));

// What floating-point and integer instructions are called separately does the same.
for (const [letter, broadcastCode, permuteCode, insertCode, extractCode] of [
  ["F", "1a", "06", "18", "19"],
  ["I", "5a", "46", "38", "39"],
] as const) {
  avx(`L1 W0 66 0f 38 ${broadcastCode}`, `VBROADCAST${letter}128 Vqq,Mdq`, (i) => {
    const lane = readXmm(i, 1);
    writeVector(i, 0, [lane, lane]);
  });

  /** Each lane one of the four of both sources, or zero. */
  avx(`L1 W0 66 0f 3a ${permuteCode}`, `VPERM2${letter}128 Vqq,Hqq,Wqq,Ib`, (i) => {
    const control = immediate(i);
    const b = readVector(i, 2);
    const a = readVector(i, 1);
    const bit = (n: number): Value => i.op("i32.and", control, i.i32(1 << n));
    const half = (lanes: Lanes, n: number): Value =>
      i.select(bit(n), lanes[1] as Value, lanes[0] as Value);
    const chosen = (n: number): Value =>
      i.select(bit(n + 3), i.v128(0n), i.select(bit(n + 1), half(b, n), half(a, n)));
    writeVector(i, 0, [chosen(0), chosen(4)]);
  });

  avx(`L1 W0 66 0f 3a ${insertCode}`, `VINSERT${letter}128 Vqq,Hqq,Wdq,Ib`, (i) => {
    const isUpper = i.op("i32.and", immediate(i), i.i32(1));
    const inserted = readXmm(i, 2);
    const [lower, upper] = readVector(i, 1) as readonly [Value, Value];
    writeVector(i, 0, [i.select(isUpper, lower, inserted), i.select(isUpper, inserted, upper)]);
  });

  avx(`L1 W0 66 0f 3a ${extractCode}`, `VEXTRACT${letter}128 Wdq,Vqq,Ib`, (i) => {
    const [lower, upper] = readVector(i, 1) as readonly [Value, Value];
    writeXmm(i, 0, i.select(i.op("i32.and", immediate(i), i.i32(1)), upper, lower));
  });
}

avx(
  "W0 66 0f 3a 04",
  "VPERMILPS Vps,Wps,Ib",
  unary((i, from) => i.op("i8x16.swizzle", from, doubleWordIndices(i, immediate(i)))),
);
avx(
  "W0 66 0f 3a 05",
  "VPERMILPD Vpd,Wpd,Ib",
  unary((i, from, k) => {
    const control = immediate(i);
    const lower = i.op("i64x2.splat", chooseHalf(i, from, control, 2 * k));
    return i.lane("i64x2.replace_lane", 1, lower, chooseHalf(i, from, control, 2 * k + 1));
  }),
);

/** Byte indices of double words by number; above 15 from number 4 on. */
function bytesOfDoubleWords(i: Instruction, numbers: Value): Value {
  const starts = i.op("i32x4.mul", numbers, i.op("i32x4.splat", i.i32(0x04040404)));
  return i.op("i32x4.add", starts, i.op("i32x4.splat", i.i32(0x03020100)));
}

avx(
  "W0 66 0f 38 0c",
  "VPERMILPS Vps,Hps,Wps",
  binary((i, from, control) => {
    const numbers = i.op("v128.and", control, i.op("i32x4.splat", i.i32(3)));
    return i.op("i8x16.swizzle", from, bytesOfDoubleWords(i, numbers));
  }),
);
/** Bit 1 chooses. */
avx(
  "W0 66 0f 38 0d",
  "VPERMILPD Vpd,Hpd,Wpd",
  binary((i, from, control) => {
    const isUpper = i.op("i64x2.shr_s", i.op("i64x2.shl", control, i.i32(62)), i.i32(63));
    const half = (k: number): Value => i.op("i64x2.splat", i.lane("i64x2.extract_lane", k, from));
    return i.op("v128.bitselect", half(1), half(0), isUpper);
  }),
);

/** Bytes of a whole register by number, 0..31. */
function swizzle([lower, upper]: Lanes, i: Instruction, bytes: Value): Value {
  // What lies outside a lane is 0, also beyond 255.
  const above = i.op("i8x16.sub", bytes, i.op("i8x16.splat", i.i32(16)));
  return i.op(
    "v128.or",
    i.op("i8x16.swizzle", lower as Value, bytes),
    i.op("i8x16.swizzle", upper as Value, above),
  );
}

for (const [opcode, name] of [
  ["16", "VPERMPS"],
  ["36", "VPERMD"],
] as const)
  avx(`L1 W0 66 0f 38 ${opcode}`, `${name} Vqq,Hqq,Wqq`, (i) => {
    const from = readVector(i, 2);
    const lanes = readVector(i, 1).map((control) => {
      const numbers = i.op("v128.and", control, i.op("i32x4.splat", i.i32(7)));
      return swizzle(from, i, bytesOfDoubleWords(i, numbers));
    });
    writeVector(i, 0, lanes);
  });

for (const [opcode, name] of [
  ["00", "VPERMQ"],
  ["01", "VPERMPD"],
] as const)
  avx(`L1 W1 66 0f 3a ${opcode}`, `${name} Vqq,Wqq,Ib`, (i) => {
    const from = readVector(i, 1);
    const control = i.extend(immediate(i));
    const bytes = (k: number): Value => {
      const number = i.and(i.shrU(control, i.i64(2 * k)), i.i64(3));
      const start = i.mul(number, i.i64(0x0808_0808_0808_0808n));
      return i.add(start, i.i64(0x0706_0504_0302_0100n));
    };
    const lanes = [0, 2].map((k) => {
      const lower = i.op("i64x2.splat", bytes(k));
      return swizzle(from, i, i.lane("i64x2.replace_lane", 1, lower, bytes(k + 1)));
    });
    writeVector(i, 0, lanes);
  });

/** Outside 64-bit mode there are eight registers. */
function zero(offsets: readonly number[]): Semantics {
  return (i) => {
    for (let k = 0; k < (i.codeBits === 64 ? 16 : 8); k++)
      for (const offset of offsets)
        i.storeState(byteOf({ offset: XMM + 16 * k }, offset), "v128", i.v128(0n));
  };
}
avx("L0 NP 0f 77", "VZEROUPPER", zero([16]));
avx("L1 NP 0f 77", "VZEROALL", zero([0, 16]));

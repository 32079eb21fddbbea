import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { type LaneOperation, unary, vector } from "../sse/forms.ts";
import { bytes } from "../sse/operands.ts";
import { both, joining, mmx, packed } from "./sse-integer.ts";

const SSSE3 = 2;

/** Of each index counts whether it is negative, which gives 0, and the low bits. */
const shuffleBytes =
  (indexBits: number): LaneOperation =>
  (i, a, b) =>
    i.op("i8x16.swizzle", a, i.op("v128.and", b, bytes(i, indexBits)));
mmx("NP 0f 38 00", "PSHUFB", shuffleBytes(0x87), { level: SSSE3 });
packed("66 0f 38 00", "PSHUFB", shuffleBytes(0x8f), { level: SSSE3 });

/** Even (or odd) elements of a, then of b. */
function alternate(i: Instruction, a: Value, b: Value, size: 2 | 4, odd: boolean): Value {
  const lanes = Array.from(
    { length: 16 },
    (_, k) => Math.floor(k / size) * 2 * size + (odd ? size : 0) + (k % size),
  );
  return i.shuffle(a, b, lanes);
}

for (const [opcode, name, size, operation] of [
  ["38 01", "PHADDW", 2, "i16x8.add"],
  ["38 02", "PHADDD", 4, "i32x4.add"],
  ["38 03", "PHADDSW", 2, "i16x8.add_sat_s"],
  ["38 05", "PHSUBW", 2, "i16x8.sub"],
  ["38 06", "PHSUBD", 4, "i32x4.sub"],
  ["38 07", "PHSUBSW", 2, "i16x8.sub_sat_s"],
] as const)
  joining(
    opcode,
    name,
    (i, a, b) => i.op(operation, alternate(i, a, b, size, false), alternate(i, a, b, size, true)),
    SSSE3,
  );

both(
  "38 04",
  "PMADDUBSW",
  (i, a, b) => {
    const product = (half: string): Value =>
      i.op(
        "i16x8.mul",
        i.op(`i16x8.extend_${half}_i8x16_u`, a),
        i.op(`i16x8.extend_${half}_i8x16_s`, b),
      );
    const lower = product("low");
    const upper = product("high");
    return i.op(
      "i16x8.add_sat_s",
      alternate(i, lower, upper, 2, false),
      alternate(i, lower, upper, 2, true),
    );
  },
  SSSE3,
);

for (const [opcode, name, shape] of [
  ["38 08", "PSIGNB", "i8x16"],
  ["38 09", "PSIGNW", "i16x8"],
  ["38 0a", "PSIGND", "i32x4"],
] as const)
  both(
    opcode,
    name,
    (i, a, b) => {
      const zero = i.v128(0n);
      const negative = i.op(`${shape}.lt_s`, b, zero);
      const signed = i.op(`${shape}.sub`, i.op("v128.xor", a, negative), negative);
      return i.op("v128.andnot", signed, i.op(`${shape}.eq`, b, zero));
    },
    SSSE3,
  );

// WebAssembly saturates -32768 * -32768, x86 wraps it to 0x8000.
both(
  "38 0b",
  "PMULHRSW",
  (i, a, b) => {
    const least = bytes(i, 0, 0x80);
    const wraps = i.op("v128.and", i.op("i16x8.eq", a, least), i.op("i16x8.eq", b, least));
    return i.op("v128.xor", i.op("i16x8.q15mulr_sat_s", a, b), wraps);
  },
  SSSE3,
);

for (const [opcode, name, shape] of [
  ["38 1c", "PABSB", "i8x16"],
  ["38 1d", "PABSW", "i16x8"],
  ["38 1e", "PABSD", "i32x4"],
] as const) {
  mmx(`NP 0f ${opcode}`, name, (i, _, b) => i.op(`${shape}.abs`, b), { level: SSSE3 });
  vector(
    `66 0f ${opcode}`,
    `${name} Vx,Wx`,
    unary((i, a) => i.op(`${shape}.abs`, a)),
    { level: SSSE3 },
  );
}

import type { Value } from "../../micro/micro-op.ts";
import { avx, binary } from "../sse/forms.ts";

/** AVX2: shifts of each element by a count of its own. */
for (const [opcode, name, w, width, operation] of [
  ["45", "VPSRLVD", "W0", 32, "shr_u"],
  ["45", "VPSRLVQ", "W1", 64, "shr_u"],
  ["46", "VPSRAVD", "W0", 32, "shr_s"],
  ["47", "VPSLLVD", "W0", 32, "shl"],
  ["47", "VPSLLVQ", "W1", 64, "shl"],
] as const) {
  const element = width === 32 ? "i32" : "i64";
  const shape = width === 32 ? "i32x4" : "i64x2";
  avx(
    `${w} 66 0f 38 ${opcode}`,
    `${name} Vx,Hx,Wx`,
    binary((i, a, counts) => {
      const constant = (value: number): Value => (width === 32 ? i.i32(value) : i.i64(value));
      let result = a;
      for (let k = 0; k < 128 / width; k++) {
        const value = i.lane(`${shape}.extract_lane`, k, a);
        const count = i.lane(`${shape}.extract_lane`, k, counts);
        const inside = i.op(`${element}.lt_u`, count, constant(width));
        // Beyond the width there are zeros, or copies of the sign.
        const shifted =
          operation === "shr_s"
            ? i.op(`${element}.shr_s`, value, i.select(inside, count, constant(width - 1)))
            : i.select(inside, i.op(`${element}.${operation}`, value, count), constant(0));
        result = i.lane(`${shape}.replace_lane`, k, result, shifted);
      }
      return result;
    }),
  );
}

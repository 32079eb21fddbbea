import type { Value } from "../../micro/micro-op.ts";
import { avx } from "../sse/forms.ts";
import { convertExactly, guarded, pass, resultOf } from "../sse/guard.ts";
import {
  immediate,
  readVector,
  readXmm,
  STACK_ELEMENTS,
  storeLow,
  writeVector,
  writeXmm,
} from "../sse/operands.ts";
import { SSE_INTEGER, SSE_SECOND } from "../state.ts";

/** F16C: halves in memory, singles to compute with. */

const all = (value: number): bigint => BigInt(value) * 0x00000001_00000001_00000001_00000001n;

avx("W0 66 0f 38 13", "VCVTPH2PS Vx,Wx/2", (i) => {
  const source = readXmm(i, 1);
  const count = i.decoded.vectorBits / 128;
  const halves = Array.from({ length: count }, (_, k) =>
    i.op(`i32x4.extend_${k === 0 ? "low" : "high"}_i16x8_u`, source),
  );
  const quick = halves.map((half) => {
    const size = i.op("v128.and", half, i.v128(all(0x7fff)));
    // Exponent and fraction where singles have them; what is left is the difference of the biases.
    const placed = i.op("i32x4.shl", size, i.i32(13));
    const scaled = i.op("f32x4.mul", placed, i.op("f32x4.splat", i.f32(2 ** 112)));
    const isSpecial = i.op("i32x4.ge_u", size, i.v128(all(0x7c00)));
    const special = i.op("v128.or", placed, i.v128(all(0x7f80_0000)));
    const sign = i.op("i32x4.shl", i.op("v128.xor", half, size), i.i32(16));
    return i.op("v128.or", sign, i.op("v128.bitselect", special, scaled, isSpecial));
  });
  // All is exact; only signaling NaNs raise anything.
  const proof = (k: number): Value => {
    const half = halves[k] as Value;
    const size = i.op("v128.and", half, i.v128(all(0x7fff)));
    const isNan = i.op("i32x4.gt_u", size, i.v128(all(0x7c00)));
    const isSignaling = i.op("i32x4.lt_u", size, i.v128(all(0x7e00)));
    return i.op("i32.eqz", i.op("v128.any_true", i.op("v128.and", isNan, isSignaling)));
  };
  const result = guarded(i, quick, [proof], () =>
    convertExactly(i, "vcvtph2ps", [source], quick.length),
  );
  writeVector(i, 0, result);
});

avx("W0 66 0f 3a 1d", "VCVTPS2PH Wx/2,Vx,Ib", (i) => {
  const source = readVector(i, 1);
  const bytes = i.width(0) / 8;
  // Memory that cannot be written leaves MXCSR alone.
  if (i.isMemory(0)) {
    i.passAddress(0, bytes, "write");
    i.storeState(
      SSE_INTEGER,
      "i32",
      i.i32((bytes << 8) | (i.usesStack(0) ? STACK_ELEMENTS : 0) | 1),
    );
    i.helper("probe_elements");
  }
  pass(i, SSE_SECOND, source);
  i.storeState(SSE_INTEGER, "i32", immediate(i));
  const [result] = resultOf(i, "vcvtps2ph", 1) as readonly [Value];
  if (i.isMemory(0) && bytes === 8) storeLow(i, 0, result);
  else writeXmm(i, 0, result);
});

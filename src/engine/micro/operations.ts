import type { ValueType } from "../wasm/module-builder.ts";

/**
 * The pure micro-operations: those that compute a value from values and touch
 * nothing else. Each is one WebAssembly instruction and bears its name, so
 * this table is both the list of them and their encoding.
 */
export interface PureOperation {
  /** Opcode; above 0xff: prefix byte in the high part (0xfc or 0xfd), sub-opcode in the low 16 bits. */
  readonly code: number;
  readonly parameters: readonly ValueType[];
  readonly result: ValueType;
  /** The instruction has a lane number (0 ..) as immediate. */
  readonly lane: boolean;
}

export const PURE_OPERATIONS = new Map<string, PureOperation>();

const VECTOR = 0xfd0000;
const SATURATING = 0xfc0000;

/** Declare consecutive opcodes from `first`; `-` leaves one out. */
function declare(
  first: number,
  prefix: string,
  names: string,
  parameters: readonly ValueType[],
  result: ValueType,
  lane = false,
): void {
  let code = first;
  for (const name of names.split(" ")) {
    if (name !== "-") PURE_OPERATIONS.set(`${prefix}.${name}`, { code, parameters, result, lane });
    code++;
  }
}

const INTEGER_COMPARE = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const INTEGER_BINARY = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
const FLOAT_COMPARE = "eq ne lt gt le ge";
const FLOAT_UNARY = "abs neg ceil floor trunc nearest sqrt";
const FLOAT_BINARY = "add sub mul div min max copysign";

declare(0x45, "i32", "eqz", ["i32"], "i32");
declare(0x46, "i32", INTEGER_COMPARE, ["i32", "i32"], "i32");
declare(0x50, "i64", "eqz", ["i64"], "i32");
declare(0x51, "i64", INTEGER_COMPARE, ["i64", "i64"], "i32");
declare(0x5b, "f32", FLOAT_COMPARE, ["f32", "f32"], "i32");
declare(0x61, "f64", FLOAT_COMPARE, ["f64", "f64"], "i32");
declare(0x67, "i32", "clz ctz popcnt", ["i32"], "i32");
declare(0x6a, "i32", INTEGER_BINARY, ["i32", "i32"], "i32");
declare(0x79, "i64", "clz ctz popcnt", ["i64"], "i64");
declare(0x7c, "i64", INTEGER_BINARY, ["i64", "i64"], "i64");
declare(0x8b, "f32", FLOAT_UNARY, ["f32"], "f32");
declare(0x92, "f32", FLOAT_BINARY, ["f32", "f32"], "f32");
declare(0x99, "f64", FLOAT_UNARY, ["f64"], "f64");
declare(0xa0, "f64", FLOAT_BINARY, ["f64", "f64"], "f64");
declare(0xa7, "i32", "wrap_i64", ["i64"], "i32");
declare(0xac, "i64", "extend_i32_s extend_i32_u", ["i32"], "i64");
declare(0xb2, "f32", "convert_i32_s convert_i32_u", ["i32"], "f32");
declare(0xb4, "f32", "convert_i64_s convert_i64_u", ["i64"], "f32");
declare(0xb6, "f32", "demote_f64", ["f64"], "f32");
declare(0xb7, "f64", "convert_i32_s convert_i32_u", ["i32"], "f64");
declare(0xb9, "f64", "convert_i64_s convert_i64_u", ["i64"], "f64");
declare(0xbb, "f64", "promote_f32", ["f32"], "f64");
declare(0xbc, "i32", "reinterpret_f32", ["f32"], "i32");
declare(0xbd, "i64", "reinterpret_f64", ["f64"], "i64");
declare(0xbe, "f32", "reinterpret_i32", ["i32"], "f32");
declare(0xbf, "f64", "reinterpret_i64", ["i64"], "f64");
declare(0xc0, "i32", "extend8_s extend16_s", ["i32"], "i32");
declare(0xc2, "i64", "extend8_s extend16_s extend32_s", ["i64"], "i64");
declare(SATURATING, "i32", "trunc_sat_f32_s trunc_sat_f32_u", ["f32"], "i32");
declare(SATURATING + 2, "i32", "trunc_sat_f64_s trunc_sat_f64_u", ["f64"], "i32");
declare(SATURATING + 4, "i64", "trunc_sat_f32_s trunc_sat_f32_u", ["f32"], "i64");
declare(SATURATING + 6, "i64", "trunc_sat_f64_s trunc_sat_f64_u", ["f64"], "i64");

const LANES: readonly [string, ValueType][] = [
  ["i8x16", "i32"],
  ["i16x8", "i32"],
  ["i32x4", "i32"],
  ["i64x2", "i64"],
  ["f32x4", "f32"],
  ["f64x2", "f64"],
];
const V: readonly ValueType[] = ["v128"];
const VV: readonly ValueType[] = ["v128", "v128"];
declare(VECTOR + 14, "i8x16", "swizzle", VV, "v128");
LANES.forEach(([shape, lane], i) => {
  declare(VECTOR + 15 + i, shape, "splat", [lane], "v128");
});
declare(VECTOR + 21, "i8x16", "extract_lane_s extract_lane_u", V, "i32", true);
declare(VECTOR + 23, "i8x16", "replace_lane", ["v128", "i32"], "v128", true);
declare(VECTOR + 24, "i16x8", "extract_lane_s extract_lane_u", V, "i32", true);
declare(VECTOR + 26, "i16x8", "replace_lane", ["v128", "i32"], "v128", true);
LANES.slice(2).forEach(([shape, lane], i) => {
  declare(VECTOR + 27 + 2 * i, shape, "extract_lane", V, lane, true);
  declare(VECTOR + 28 + 2 * i, shape, "replace_lane", ["v128", lane], "v128", true);
});
declare(VECTOR + 35, "i8x16", INTEGER_COMPARE, VV, "v128");
declare(VECTOR + 45, "i16x8", INTEGER_COMPARE, VV, "v128");
declare(VECTOR + 55, "i32x4", INTEGER_COMPARE, VV, "v128");
declare(VECTOR + 65, "f32x4", FLOAT_COMPARE, VV, "v128");
declare(VECTOR + 71, "f64x2", FLOAT_COMPARE, VV, "v128");
declare(VECTOR + 77, "v128", "not", V, "v128");
declare(VECTOR + 78, "v128", "and andnot or xor", VV, "v128");
declare(VECTOR + 82, "v128", "bitselect", ["v128", "v128", "v128"], "v128");
declare(VECTOR + 83, "v128", "any_true", V, "i32");
declare(VECTOR + 94, "f32x4", "demote_f64x2_zero", V, "v128");
declare(VECTOR + 95, "f64x2", "promote_low_f32x4", V, "v128");
for (const [shape, base] of [
  ["i8x16", 96],
  ["i16x8", 128],
  ["i32x4", 160],
  ["i64x2", 192],
] as const) {
  declare(VECTOR + base, shape, "abs neg", V, "v128");
  declare(VECTOR + base + 3, shape, "all_true bitmask", V, "i32");
  declare(VECTOR + base + 11, shape, "shl shr_s shr_u", ["v128", "i32"], "v128");
  declare(VECTOR + base + 14, shape, "add", VV, "v128");
  declare(VECTOR + base + 17, shape, "sub", VV, "v128");
  if (base < 160) {
    declare(VECTOR + base + 15, shape, "add_sat_s add_sat_u", VV, "v128");
    declare(VECTOR + base + 18, shape, "sub_sat_s sub_sat_u", VV, "v128");
    declare(VECTOR + base + 27, shape, "avgr_u", VV, "v128");
  } else declare(VECTOR + base + 21, shape, "mul", VV, "v128");
  if (base > 96) {
    const half = base === 128 ? "i8x16" : base === 160 ? "i16x8" : "i32x4";
    const extend = `extend_low_${half}_s extend_high_${half}_s extend_low_${half}_u extend_high_${half}_u`;
    declare(VECTOR + base + 7, shape, extend, V, "v128");
    declare(VECTOR + base + 28, shape, extend.replaceAll("extend", "extmul"), VV, "v128");
  }
}
declare(VECTOR + 98, "i8x16", "popcnt", V, "v128");
declare(VECTOR + 101, "i8x16", "narrow_i16x8_s narrow_i16x8_u", VV, "v128");
declare(VECTOR + 103, "f32x4", "ceil floor trunc nearest", V, "v128");
declare(VECTOR + 116, "f64x2", "ceil floor", V, "v128");
declare(VECTOR + 118, "i8x16", "min_s min_u max_s max_u", VV, "v128");
declare(VECTOR + 122, "f64x2", "trunc", V, "v128");
declare(VECTOR + 124, "i16x8", "extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u", V, "v128");
declare(VECTOR + 126, "i32x4", "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u", V, "v128");
declare(VECTOR + 130, "i16x8", "q15mulr_sat_s", VV, "v128");
declare(VECTOR + 133, "i16x8", "narrow_i32x4_s narrow_i32x4_u", VV, "v128");
declare(VECTOR + 148, "f64x2", "nearest", V, "v128");
declare(VECTOR + 149, "i16x8", "mul min_s min_u max_s max_u", VV, "v128");
declare(VECTOR + 182, "i32x4", "min_s min_u max_s max_u dot_i16x8_s", VV, "v128");
declare(VECTOR + 214, "i64x2", "eq ne lt_s gt_s le_s ge_s", VV, "v128");
for (const [shape, base] of [
  ["f32x4", 224],
  ["f64x2", 236],
] as const) {
  declare(VECTOR + base, shape, "abs neg - sqrt", V, "v128");
  declare(VECTOR + base + 4, shape, "add sub mul div min max pmin pmax", VV, "v128");
}
declare(VECTOR + 248, "i32x4", "trunc_sat_f32x4_s trunc_sat_f32x4_u", V, "v128");
declare(VECTOR + 250, "f32x4", "convert_i32x4_s convert_i32x4_u", V, "v128");
declare(VECTOR + 252, "i32x4", "trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero", V, "v128");
declare(VECTOR + 254, "f64x2", "convert_low_i32x4_s convert_low_i32x4_u", V, "v128");
for (const [shape, base] of [
  ["f32x4", 0x105],
  ["f64x2", 0x107],
] as const)
  declare(VECTOR + base, shape, "relaxed_madd relaxed_nmadd", ["v128", "v128", "v128"], "v128");

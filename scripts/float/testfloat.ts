/**
 * Berkeley TestFloat's vectors (John R. Hauser; not part of this repository) on the engine.
 * GAOLER_TESTFLOAT names a folder with its `testfloat_gen`, built with SoftFloat's "8086-SSE".
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { AT, type Case } from "../../src/engine/testing/case.ts";
import { put, start } from "../../src/engine/testing/float/cases.ts";
import type { EngineRecords } from "../../src/engine/testing/float/machine.ts";
import {
  F32,
  F64,
  F80,
  I32,
  I64,
  type NumberFormat,
} from "../../src/engine/testing/float/operands.ts";
import type { Place } from "../../src/engine/testing/float/operations.ts";

/** Where a result is found: a number in its place, or the outcome of a comparison. */
type Result = Place | "mask" | "equal" | "less" | "less-or-equal";

interface Function {
  /** As testfloat_gen calls it. */
  readonly name: string;
  readonly code: readonly number[];
  readonly operands: readonly (readonly [NumberFormat, Place])[];
  readonly result: Result;
  /** Of a result that is a number. */
  readonly format: NumberFormat;
  readonly options: readonly string[];
  /** Instructions that do not ask MXCSR how to round. */
  readonly roundings: readonly Rounding[];
  /** Depends on the x87's precision control. */
  readonly precise: boolean;
}

const ROUNDINGS = ["rnear_even", "rmin", "rmax", "rminMag"] as const;
type Rounding = (typeof ROUNDINGS)[number];
/** Values of the precision control. */
const PRECISIONS = { precision32: 0, precision64: 2, precision80: 3 } as const;

const functions: Function[] = [];

function add(
  name: string,
  code: string,
  operands: readonly (readonly [NumberFormat, Place])[],
  result: Result,
  format: NumberFormat,
  { options = [], roundings = ROUNDINGS, precise = false }: Partial<Function> = {},
): void {
  const bytes = code.split(" ").map((byte) => Number.parseInt(byte, 16));
  functions.push({ name, code: bytes, operands, result, format, options, roundings, precise });
}

const EXACT = ["-exact"];
const TRUNCATING = { options: EXACT, roundings: ["rminMag"] as const };

for (const [f, prefix, other] of [
  [F32, "f3", "0a"],
  [F64, "f2", "0b"],
] as const) {
  const one = [[f, "xmm1"]] as const;
  const two = [[f, "xmm0"], ...one] as const;
  for (const [name, opcode] of [
    ["add", "58"],
    ["sub", "5c"],
    ["mul", "59"],
    ["div", "5e"],
  ] as const)
    add(`${f.name}_${name}`, `${prefix} 0f ${opcode} c1`, two, "xmm0", f);
  add(`${f.name}_sqrt`, `${prefix} 0f 51 c1`, one, "xmm0", f);
  add(`${f.name}_roundToInt`, `66 0f 3a ${other} c1 4`, one, "xmm0", f, { options: EXACT });
  add(`${f.name}_roundToInt`, `66 0f 3a ${other} c1 c`, one, "xmm0", f, { options: ["-notexact"] });
  const nearest = { roundings: ["rnear_even"] as const };
  add(`${f.name}_eq`, `${prefix} 0f c2 c1 0`, two, "mask", f, nearest);
  add(`${f.name}_lt`, `${prefix} 0f c2 c1 1`, two, "mask", f, nearest);
  add(`${f.name}_le`, `${prefix} 0f c2 c1 2`, two, "mask", f, nearest);
  const compare = f === F64 ? "66 0f" : "0f";
  add(`${f.name}_eq`, `${compare} 2e c1`, two, "equal", f, nearest);
  add(`${f.name}_lt_quiet`, `${compare} 2e c1`, two, "less", f, nearest);
  add(`${f.name}_le_quiet`, `${compare} 2e c1`, two, "less-or-equal", f, nearest);
  add(`${f.name}_eq_signaling`, `${compare} 2f c1`, two, "equal", f, nearest);
  add(`${f.name}_lt`, `${compare} 2f c1`, two, "less", f, nearest);
  add(`${f.name}_le`, `${compare} 2f c1`, two, "less-or-equal", f, nearest);
  for (const [integer, wide] of [
    [I32, ""],
    [I64, "48 "],
  ] as const) {
    add(`${f.name}_to_${integer.name}`, `${prefix} ${wide}0f 2d c1`, one, "rax", integer, {
      options: EXACT,
    });
    add(
      `${f.name}_to_${integer.name}`,
      `${prefix} ${wide}0f 2c c1`,
      one,
      "rax",
      integer,
      TRUNCATING,
    );
    add(`${integer.name}_to_${f.name}`, `${prefix} ${wide}0f 2a c0`, [[integer, "rax"]], "xmm0", f);
  }
  // VFMADD213: XMM1 * XMM0 + XMM2, the first of two NaNs being that of XMM1
  const vex = `c4 e2 ${f === F64 ? "f1" : "71"}`;
  add(
    `${f.name}_mulAdd`,
    `${vex} a9 c2`,
    [
      [f, "xmm1"],
      [f, "xmm0"],
      [f, "xmm2"],
    ],
    "xmm0",
    f,
  );
}
add("f32_to_f64", "f3 0f 5a c1", [[F32, "xmm1"]], "xmm0", F64);
add("f64_to_f32", "f2 0f 5a c1", [[F64, "xmm1"]], "xmm0", F32);

const st0 = [[F80, "st0"]] as const;
const both = [...st0, [F80, "st1"]] as const;
for (const [name, code] of [
  ["add", "d8 c1"],
  ["mul", "d8 c9"],
  ["sub", "d8 e1"],
  ["div", "d8 f1"],
] as const)
  add(`extF80_${name}`, code, both, "st0", F80, { precise: true });
add("extF80_sqrt", "d9 fa", st0, "st0", F80, { precise: true });
// again: fprem1; fnstsw ax; test ah,4; jnz again
add("extF80_rem", "d9 f5 df e0 f6 c4 04 75 f7", both, "st0", F80);
add("extF80_roundToInt", "d9 fc", st0, "st0", F80, { options: EXACT });
add("extF80_to_f32", "d9 16", st0, "memory", F32);
add("extF80_to_f64", "dd 16", st0, "memory", F64);
add("extF80_to_i32", "db 16", st0, "memory", I32, { options: EXACT });
add("extF80_to_i64", "df 3e", st0, "memory", I64, { options: EXACT });
add("extF80_to_i32", "db 0e", st0, "memory", I32, TRUNCATING);
add("extF80_to_i64", "dd 0e", st0, "memory", I64, TRUNCATING);
add("f32_to_extF80", "d9 06", [[F32, "memory"]], "st0", F80);
add("f64_to_extF80", "dd 06", [[F64, "memory"]], "st0", F80);
add("i32_to_extF80", "db 06", [[I32, "memory"]], "st0", F80);
add("i64_to_extF80", "df 2e", [[I64, "memory"]], "st0", F80);
for (const [name, code, result] of [
  ["eq", "db e9", "equal"],
  ["lt_quiet", "db e9", "less"],
  ["le_quiet", "db e9", "less-or-equal"],
  ["eq_signaling", "db f1", "equal"],
  ["lt", "db f1", "less"],
  ["le", "db f1", "less-or-equal"],
] as const)
  add(`extF80_${name}`, code, both, result, F80, { roundings: ["rnear_even"] });

/** The result's bits. */
function taken(record: Case, { result, format }: Function): bigint {
  const { view, rflags: flags } = record;
  const load = (at: number): bigint => {
    const bits = view.getBigUint64(at, true);
    return format.bits === 80
      ? (BigInt(view.getUint16(at + 8, true)) << 64n) | bits
      : BigInt.asUintN(format.bits, bits);
  };
  const ordered = (flags & 4) === 0;
  switch (result) {
    case "mask":
      return load(AT.xmm) === 0n ? 0n : 1n;
    case "equal":
      return ordered && (flags & 0x40) !== 0 ? 1n : 0n;
    case "less":
      return ordered && (flags & 1) !== 0 ? 1n : 0n;
    case "less-or-equal":
      return ordered && (flags & 0x41) !== 0 ? 1n : 0n;
    case "rax":
      return BigInt.asUintN(format.bits, record.general(0));
    case "memory":
      return load(AT.memory);
    case "st0":
    case "st1":
      return load(result === "st0" ? AT.st : AT.st + 16);
    default:
      return load(AT.xmm + 16 * Number(result[3]));
  }
}

/** The five exceptions of IEEE 754 as TestFloat writes them: PE, UE, OE, ZE, IE from bit 0. */
function flagsOf(word: number): number {
  return (
    ((word >> 5) & 1) |
    ((word >> 3) & 2) |
    ((word >> 1) & 4) |
    ((word << 1) & 8) |
    ((word & 1) << 4)
  );
}

export interface TestFloatRow {
  readonly name: string;
  readonly modes: number;
  readonly vectors: number;
  readonly differences: readonly string[];
  /** The engine has no such instruction. */
  readonly unknown: boolean;
}

const BATCH = 8192;

export interface TestFloatPlan {
  /** The folder of testfloat_gen. */
  readonly folder: string;
  readonly only: RegExp;
  readonly level: 1 | 2;
  /** Most vectors of one function and mode. */
  readonly limit: number;
}

/** Runs all functions, a row each. */
export async function* testFloat(
  engine: EngineRecords,
  { folder, only, level, limit }: TestFloatPlan,
): AsyncGenerator<TestFloatRow> {
  for (const f of functions) {
    if (!only.test(f.name)) continue;
    const name = `${f.name} ${f.code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
    if (!engine.knows(f.code)) {
      yield { name, modes: 0, vectors: 0, differences: [], unknown: true };
      continue;
    }
    const differences: string[] = [];
    let modes = 0;
    let vectors = 0;
    const precisions = f.precise ? Object.entries(PRECISIONS) : [["precision80", 3] as const];
    for (const rounding of f.roundings)
      for (const [precision, pc] of precisions) {
        modes++;
        const args = [`-${rounding}`, `-${precision}`, `-tininessafter`, ...f.options];
        args.push("-level", `${level}`, f.name);
        for await (const lines of generated(`${folder}/testfloat_gen`, args, limit)) {
          vectors += lines.length;
          differences.push(...check(engine, f, rounding, pc, lines));
        }
      }
    yield { name, modes, vectors, differences, unknown: false };
  }
}

/** Lines of a program's output, in batches. */
async function* generated(
  program: string,
  args: readonly string[],
  limit: number,
): AsyncGenerator<string[]> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let batch: string[] = [];
  let count = 0;
  let enough = false;
  for await (const line of createInterface(child.stdout)) {
    batch.push(line);
    enough = ++count === limit;
    if (enough || batch.length === BATCH) {
      yield batch;
      batch = [];
    }
    if (enough) break;
  }
  if (enough) {
    child.kill();
    child.stdout.destroy();
  }
  const [status] = await closed;
  if (batch.length > 0) yield batch;
  if (!enough && status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
}

/** Zero times infinity plus a NaN: IEEE 754 (7.2) leaves open what it is; SoftFloat and the x86 differ. */
function isLeftOpen(f: NumberFormat, operands: readonly string[]): boolean {
  const [a, b, c] = operands.map((text) => BigInt.asUintN(f.bits - 1, BigInt(`0x${text}`)));
  const infinity = ((1n << BigInt(f.exponentBits)) - 1n) << BigInt(f.fractionBits);
  const product = (a === 0n && b === infinity) || (a === infinity && b === 0n);
  return product && (c as bigint) > infinity;
}

function check(
  engine: EngineRecords,
  f: Function,
  rounding: Rounding,
  precision: number,
  lines: readonly string[],
): string[] {
  const records = lines.map(() => start(f.code));
  const mode = ROUNDINGS.indexOf(rounding);
  const fields = lines.map((line) => line.split(" "));
  records.forEach((record, k) => {
    record.rflags = 2;
    record.mxcsr = 0x1f80 | (mode << 13);
    record.setX87(0x7f | (precision << 8) | (mode << 10), 0, 0x7f);
    f.operands.forEach(([format, place], which) => {
      put(record, { format, place, lanes: 1 }, 0, BigInt(`0x${fields[k]?.[which]}`));
    });
  });
  engine.run(f.code, records);
  const found: string[] = [];
  records.forEach((record, k) => {
    const line = lines[k] as string;
    if (f.operands.length === 3 && isLeftOpen(f.format, fields[k] as string[])) return;
    const [expected, expectedFlags] = (fields[k] as string[]).slice(f.operands.length);
    const result = taken(record, f);
    const flags = flagsOf(f.name.includes("extF80") ? record.fsw : record.mxcsr);
    if (
      result !== BigInt(`0x${expected}`) ||
      flags !== Number.parseInt(expectedFlags as string, 16)
    )
      found.push(
        `${f.name} ${rounding} precision control ${precision}: ${line}: got ${result.toString(16)} ${flags.toString(16).padStart(2, "0")}`,
      );
  });
  return found;
}

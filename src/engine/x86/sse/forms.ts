import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Level } from "../mode.ts";
import { row, type Semantics, type Vex } from "../row.ts";
import { firstSource, type Lanes, readVector, writeVector } from "./operands.ts";

/** Declaring forms that exist as SSE and as AVX instructions, and the semantics that most of them share. */

/** Computes one lane of 128 bits, number `k`. */
export type LaneOperation = (i: Instruction, a: Value, b: Value, k: number) => Value;

export interface VectorOptions {
  /** What VEX.L must be; any by default. */
  readonly length?: Vex["length"];
  readonly w?: "W0" | "W1";
  /** The first level that has the form without VEX; 1 by default. */
  readonly level?: Level;
}

/**
 * Declare an SSE form and the AVX form of the same operation.
 *
 * @param text of the AVX form without its V. An operand H, its first source, is
 *   the destination in the SSE form.
 */
export function vector(
  encoding: string,
  text: string,
  semantics: Semantics,
  { length, w, level = 1 }: VectorOptions = {},
): void {
  const [mnemonic, operands = ""] = text.split(" ") as [string, string?];
  const legacy = operands.split(",").filter((operand) => !operand.startsWith("H"));
  row(encoding, `${mnemonic} ${legacy}`, semantics, { unit: "sse", level });
  avx([length, w, encoding].filter(Boolean).join(" "), `V${text}`, semantics);
}

/** Declare a form that there is with VEX only: `encoding` is what follows "VEX". */
export function avx(encoding: string, text: string, semantics: Semantics): void {
  row(`VEX ${encoding}`, text, semantics, { unit: "avx" });
}

/** Each lane of the destination from the same lanes of two sources. */
export function binary(compute: LaneOperation): Semantics {
  return (i) => {
    const source = firstSource(i);
    const b = readVector(i, source + 1);
    const a = readVector(i, source);
    writeVector(
      i,
      0,
      eachLane(a, b, (x, y, k) => compute(i, x, y, k)),
    );
  };
}

/** Each lane of the destination from the same lane of operand 1. */
export function unary(compute: (i: Instruction, a: Value, k: number) => Value): Semantics {
  return (i) =>
    writeVector(
      i,
      0,
      readVector(i, 1).map((lane, k) => compute(i, lane, k)),
    );
}

export function eachLane(
  a: Lanes,
  b: Lanes,
  compute: (x: Value, y: Value, k: number) => Value,
): Lanes {
  return a.map((lane, k) => compute(lane, b[k] as Value, k));
}

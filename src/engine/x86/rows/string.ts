import { setSubtraction } from "../../micro/flags.ts";
import type { Load, Store, Value } from "../../micro/micro-op.ts";
import { EFLAGS_DF } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { EFLAGS, VALUE } from "../state.ts";

/**
 * String instructions. A single step is done here; with a repeat prefix they
 * are done in TypeScript, many elements at a time (helpers/string.ts).
 */

const RSI = 6;
const RDI = 7;

/** Plus or minus the element's size, by DF. */
function step(i: Instruction, bytes: number): Value {
  const down = i.op("i32.and", i.loadState(EFLAGS, "i32"), i.i32(EFLAGS_DF));
  return i.select(down, i.i64(-bytes), i.i64(bytes));
}

function advance(i: Instruction, register: number, by: Value): void {
  const bits = i.decoded.addressBits;
  i.setGeneral(register, bits, i.truncate(i.add(i.general(register, bits), by), bits));
}

function load(bytes: number): Load {
  return bytes === 1 ? "i64.8u" : bytes === 2 ? "i64.16u" : bytes === 4 ? "i64.32u" : "i64";
}

function store(bytes: number): Store {
  return bytes === 1 ? "i64.8" : bytes === 2 ? "i64.16" : bytes === 4 ? "i64.32" : "i64";
}

/** How the repeating helper is to do it; see helpers/string.ts. */
function describe(i: Instruction, bytes: number, source: number): void {
  const repeat = i.decoded.repeat === "repe" ? 1 : 2;
  i.storeState(VALUE, "i32", i.i32(bytes | (i.decoded.addressBits << 8) | (repeat << 16)));
  const segment = source < 0 ? i.i32(-1) : i.segmentPlace(source);
  i.storeState(VALUE + 4, "i32", segment);
}

/**
 * @param source index of the operand at rSI, or -1
 * @param once one step without a prefix
 */
function string(
  helper: string,
  source: number,
  once: (i: Instruction, bytes: number) => void,
): Semantics {
  return (i) => {
    if (i.decoded.repeat === "none") {
      once(i, i.width(0) / 8);
      return;
    }
    describe(i, i.width(0) / 8, source);
    i.helper(helper);
    i.jumpTo(i.nextRip());
  };
}

const movs = string("rep_movs", 1, (i, bytes) => {
  const value = i.loadGuest(i.linear(1, bytes, "read"), load(bytes));
  i.storeGuest(i.linear(0, bytes, "write"), store(bytes), value);
  const by = step(i, bytes);
  advance(i, RSI, by);
  advance(i, RDI, by);
});
const stos = string("rep_stos", -1, (i, bytes) => {
  i.storeGuest(i.linear(0, bytes, "write"), store(bytes), i.general(0, bytes * 8));
  advance(i, RDI, step(i, bytes));
});
const lods = string("rep_lods", 0, (i, bytes) => {
  const value = i.loadGuest(i.linear(0, bytes, "read"), load(bytes));
  i.setGeneral(0, bytes * 8, value);
  advance(i, RSI, step(i, bytes));
});
const cmps = string("rep_cmps", 0, (i, bytes) => {
  const a = i.loadGuest(i.linear(0, bytes, "read"), load(bytes));
  const b = i.loadGuest(i.linear(1, bytes, "read"), load(bytes));
  const by = step(i, bytes);
  advance(i, RSI, by);
  advance(i, RDI, by);
  setSubtraction(i, bytes * 8, a, b, i.truncate(i.sub(a, b), bytes * 8));
});
const scas = string("rep_scas", -1, (i, bytes) => {
  const a = i.general(0, bytes * 8);
  const b = i.loadGuest(i.linear(0, bytes, "read"), load(bytes));
  advance(i, RDI, step(i, bytes));
  setSubtraction(i, bytes * 8, a, b, i.truncate(i.sub(a, b), bytes * 8));
});

const REPEATS = { repeats: true };
row("a4", "MOVS Yb,Xb", movs, REPEATS);
row("a5", "MOVS Yv,Xv", movs, REPEATS);
row("a6", "CMPS Xb,Yb", cmps, REPEATS);
row("a7", "CMPS Xv,Yv", cmps, REPEATS);
row("aa", "STOS Yb", stos, REPEATS);
row("ab", "STOS Yv", stos, REPEATS);
row("ac", "LODS Xb", lods, REPEATS);
row("ad", "LODS Xv", lods, REPEATS);
row("ae", "SCAS Yb", scas, REPEATS);
row("af", "SCAS Yv", scas, REPEATS);

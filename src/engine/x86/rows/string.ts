import { setSubtraction } from "../../micro/flags.ts";
import type { Load, Store, Value } from "../../micro/micro-op.ts";
import { EFLAGS_DF } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import type { Operand } from "../operand.ts";
import { isSegmented } from "../record.ts";
import { row, type Semantics } from "../row.ts";
import { EFLAGS, RIP, VALUE } from "../state.ts";
import {
  compares,
  hasSource,
  STRING_ELEMENTS,
  STRING_LAST_SOURCE,
  STRING_LAST_TARGET,
  STRING_PROGRESS,
  type StringRunKind,
  stringAtOnceName,
  stringRunName,
} from "../string-progress.ts";

/**
 * String instructions. A single step is done here; with a repeat prefix they are done many elements
 * at a time, in WebAssembly (wasm/string-runs.ts) and TypeScript (helpers/string.ts), or from compiled code all of
 * them (wasm/strings-at-once.ts).
 */

type StringHelper = "rep_movs" | "rep_stos" | "rep_lods" | "rep_cmps" | "rep_scas";

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;

function goesDown(i: Instruction): Value {
  return i.op("i32.and", i.loadState(EFLAGS, "i32"), i.i32(EFLAGS_DF));
}

/** Plus or minus the element's size, by DF. */
function step(i: Instruction, bytes: number): Value {
  return i.select(goesDown(i), i.i64(-bytes), i.i64(bytes));
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

/** How it is to be repeated; see helpers/string.ts. @param run what is done in WebAssembly */
function describe(i: Instruction, bytes: number, source: number, run: string | undefined): void {
  const repeat = i.decoded.repeat === "repe" ? 1 : 2;
  const inTurns = run === undefined ? 0 : 1;
  const word = bytes | (i.decoded.addressBits << 8) | (repeat << 16) | (inTurns << 24);
  i.storeState(VALUE, "i32", i.i32(word));
  const segment = source < 0 ? i.i32(-1) : i.segmentPlace(source);
  i.storeState(VALUE + 4, "i32", segment);
  i.storeState(STRING_PROGRESS, "i32", i.i32(0));
}

/** What WebAssembly has functions for. */
function kindOf(
  { decoded: { mode, addressBits, operands, repeat } }: Instruction,
  helper: StringHelper,
): StringRunKind | undefined {
  if (addressBits !== 64) return undefined;
  const segmented = (operand: Operand) => operand.kind === "memory" && isSegmented(operand, mode);
  if (operands.some(segmented)) return undefined;
  switch (helper) {
    case "rep_movs":
      return "movs";
    case "rep_stos":
      return "stos";
    case "rep_scas":
      return repeat === "repe" ? "scas-equal" : "scas-other";
    case "rep_cmps":
      return repeat === "repe" ? "cmps-equal" : undefined;
    case "rep_lods":
      return undefined;
  }
}

/** In compiled code, all at once. @returns false in tier 0 */
function allAtOnce(i: Instruction, kind: StringRunKind, bytes: number): boolean {
  const count = i.general(RCX, 64);
  const to = i.general(RDI, 64);
  const from = i.general(hasSource(kind) ? RSI : RAX, 64);
  const result = i.repeatAtOnce(stringAtOnceName(kind, bytes), from, to, count);
  if (result === undefined) return false;
  const isComparison = compares(kind);
  const shift = i.i64(Math.log2(bytes));
  const size = i.shl(isComparison ? result : count, shift);
  // comparisons go up here
  const by = isComparison ? size : i.select(goesDown(i), i.sub(i.i64(0), size), size);
  i.setGeneral(RCX, 64, isComparison ? i.sub(count, result) : i.i64(0));
  if (hasSource(kind)) i.setGeneral(RSI, 64, i.add(from, by));
  i.setGeneral(RDI, 64, i.add(to, by));
  const more = i.sub(result, i.i64(1));
  i.spend(i.wrap(isComparison ? i.shrU(more, i.i64(Math.log2(STRING_ELEMENTS))) : more));
  if (isComparison) {
    const bits = bytes * 8;
    const b = i.loadState(STRING_LAST_TARGET, "i64");
    const a = hasSource(kind) ? i.loadState(STRING_LAST_SOURCE, "i64") : i.truncate(from, bits);
    setSubtraction(i, bits, a, b, i.truncate(i.sub(a, b), bits));
  }
  i.storeState(RIP, "i64", i.nextRip());
  i.jump(0);
  return true;
}

/**
 * @param source index of the operand at rSI, or -1
 * @param once one step without a prefix
 */
function string(
  helper: StringHelper,
  source: number,
  once: (i: Instruction, bytes: number) => void,
): Semantics {
  return (i) => {
    const bytes = i.width(0) / 8;
    if (i.decoded.repeat === "none") {
      once(i, bytes);
      return;
    }
    const kind = kindOf(i, helper);
    if (kind !== undefined && allAtOnce(i, kind, bytes)) return;
    const run = kind && stringRunName(kind, bytes);
    describe(i, bytes, source, run);
    if (run === undefined) i.helper(helper);
    else
      i.while(
        () => i.op("i32.eqz", i.call(run, "i32", [])),
        () => i.helper(helper),
      );
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

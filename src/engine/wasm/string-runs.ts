import { EFLAGS_DF } from "../x86/control-bits.ts";
import { ATTENTION, BUDGET, EFLAGS, TLB_WRITE_TAG } from "../x86/state.ts";
import {
  compares,
  STRING_ELEMENTS,
  STRING_PROGRESS,
  STRING_RUN_KINDS,
  type StringRunKind,
  stringRunName,
} from "../x86/string-progress.ts";
import { Assembler } from "./assembler.ts";
import type { ValueType } from "./module-builder.ts";
import { PAGE_FAULT } from "./page-walk/walk.ts";
import { comparePair, compareWithPattern } from "./string-comparisons.ts";
import { copyDown, copyUp, fill } from "./string-moves.ts";
import {
  AT,
  COUNT,
  CPU,
  ENTRY,
  findWindows,
  type GiveUp,
  LEFT,
  locate,
  RAX,
  RCX,
  RUN,
  repeatElement,
  SIZE,
  type Side,
  STRING_LOCALS,
  sidesOf,
  sizeOfRun,
  toLowest,
} from "./string-places.ts";

/**
 * Repeated string instructions of tier 0 in 64-bit mode, as far as the strings are found in
 * WebAssembly, in RAM. What else there is to do is done in TypeScript (x86/helpers/string.ts), in turns
 * with what is done here: an element on a page that has to be looked at, or on two pages, and the last
 * one of a comparison, which decides the flags.
 *
 * Each function is (vCPU base, record) -> 1: the instruction is over, 0: the next element is not
 * for here, or the execution has done its share. What would only lead to another execution is done
 * in this one, and taken off the budget.
 */
export interface StringRun {
  readonly name: string;
  readonly write: () => { readonly locals: readonly ValueType[]; readonly code: Assembler };
}

/** Index of the page walk, the only function that a run calls. */
const PAGE_WALK_INDEX = 0;
const ELEMENTS_SHIFT = BigInt(Math.log2(STRING_ELEMENTS));
/** Behind the parameters. */
const LOCALS: readonly ValueType[] = ["i64", "i64", "i64", ...STRING_LOCALS];

/** One function for each kind and size of element. */
export const stringRuns = (): StringRun[] =>
  STRING_RUN_KINDS.flatMap((kind) =>
    [0, 1, 2, 3].map((shift) => ({
      name: stringRunName(kind, 1 << shift),
      write: () => ({ locals: LOCALS, code: stringRun(kind, shift) }),
    })),
  );

function stringRun(kind: StringRunKind, shift: number): Assembler {
  const code = new Assembler();
  code.get(CPU).load("i64", RCX).tee(COUNT).op("i64.eqz");
  if (compares(kind)) code.get(CPU).load("i32", STRING_PROGRESS).i32(0).op("i32.lt_s").op("i32.or");
  code.if(() => code.i32(1).return());
  setLeft(code, kind);
  findWindows(code);
  for (const { linear, register } of sidesOf(kind)) code.get(CPU).load("i64", register).set(linear);
  if (kind === "stos" || kind.startsWith("scas")) {
    code.get(CPU).load("i64", RAX);
    repeatElement(code, shift);
  }
  code.get(CPU).load("i32", EFLAGS).i32(EFLAGS_DF).op("i32.and");
  code.if(
    () => {
      if (compares(kind)) code.i32(0).return();
      else pieces(code, kind, shift, true);
    },
    () => pieces(code, kind, shift, false),
  );
  account(code, kind);
  return code.get(COUNT).op("i64.eqz");
}

/** What this execution may do, and all that would follow it while the budget lasts and nobody asks for attention. */
function setLeft(code: Assembler, kind: StringRunKind): void {
  code.i64(BigInt(STRING_ELEMENTS)).get(CPU).load("i32", STRING_PROGRESS);
  code.op("i64.extend_i32_u").op("i64.sub").set(LEFT);
  code.get(CPU).load("i32", ATTENTION).op("i32.eqz");
  code.get(CPU).load("i32", BUDGET).i32(0).op("i32.gt_s").op("i32.and");
  code.if(() => {
    code.get(CPU).load("i32", BUDGET).op("i64.extend_i32_u").i64(ELEMENTS_SHIFT).op("i64.shl");
    code.get(LEFT).op("i64.add").set(LEFT);
  });
  code.get(COUNT).get(LEFT).op("i64.lt_u");
  code.if(() => code.get(COUNT).set(LEFT));
  if (!compares(kind)) return;
  code.get(LEFT).op("i64.eqz");
  code.if(() => code.i32(0).return());
  code.get(LEFT).i64(1n).op("i64.sub").set(LEFT);
}

/** One piece after the other that is found as a whole. */
function pieces(code: Assembler, kind: StringRunKind, shift: number, down: boolean): void {
  const sides = sidesOf(kind);
  const bytes = (): Assembler => code.get(RUN).i64(BigInt(shift)).op("i64.shl");
  code.block(() =>
    code.loop(() => {
      const giveUp: GiveUp = (depth) => code.branchIf(depth + 1);
      code.get(LEFT).tee(RUN).op("i64.eqz").branchIf(1);
      for (const side of sides) locate(code, side, shift, down, giveUp, () => walk(code, side));
      if (down) toLowest(code, sides, shift);
      sizeOfRun(code, shift);
      if (kind === "stos") fill(code);
      else if (kind === "movs") {
        if (down) copyDown(code, giveUp);
        else copyUp(code, shift, giveUp);
      } else {
        if (kind === "cmps-equal") comparePair(code);
        else compareWithPattern(code, shift, kind === "scas-equal");
        code.get(AT).i32(shift).op("i32.shr_u").op("i64.extend_i32_u").set(RUN);
      }
      for (const { linear } of sides) {
        code.get(linear);
        bytes();
        code.op(down ? "i64.sub" : "i64.add").set(linear);
      }
      code.get(LEFT).get(RUN).op("i64.sub").set(LEFT);
      code.get(COUNT).get(RUN).op("i64.sub").set(COUNT);
      // what stopped the comparison is for TypeScript
      if (compares(kind)) code.get(AT).get(SIZE).op("i32.ne").branchIf(1);
      code.branch(0);
    }),
  );
}

/** Where {@link locate} does not find a page in the TLB: walk the page tables. */
function walk(code: Assembler, { linear, tag }: Side): void {
  const writes = tag === TLB_WRITE_TAG;
  code
    .get(CPU)
    .get(linear)
    .i32(writes ? 1 : 0)
    .call(PAGE_WALK_INDEX);
  code.tee(ENTRY).op("i32.eqz").branchIf(3);
  code.get(ENTRY).i32(PAGE_FAULT).op("i32.and").branchIf(3);
  // bit 0: stores must look for code
  if (writes) code.get(ENTRY).load("i32", tag).i32(1).op("i32.and").branchIf(3);
}

/** Put into the state how far it has come. */
function account(code: Assembler, kind: StringRunKind): void {
  const [total, executions] = [RUN, LEFT];
  code.get(CPU).load("i64", RCX).get(COUNT).op("i64.sub");
  code.get(CPU).load("i32", STRING_PROGRESS).op("i64.extend_i32_u").op("i64.add").tee(total);
  code.get(total).i64(0n).op("i64.ne").op("i64.extend_i32_u").op("i64.sub");
  code.i64(ELEMENTS_SHIFT).op("i64.shr_u").set(executions);
  code.get(CPU).get(total).get(executions).i64(ELEMENTS_SHIFT).op("i64.shl").op("i64.sub");
  code.op("i32.wrap_i64").store("i32", STRING_PROGRESS);
  code.get(CPU).get(CPU).load("i32", BUDGET).get(executions).op("i32.wrap_i64").op("i32.sub");
  code.store("i32", BUDGET);
  for (const { linear, register } of sidesOf(kind))
    code.get(CPU).get(linear).store("i64", register);
  code.get(CPU).get(COUNT).store("i64", RCX);
}

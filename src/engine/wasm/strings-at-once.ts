import { EFLAGS_DF } from "../x86/control-bits.ts";
import { EFLAGS } from "../x86/state.ts";
import {
  compares,
  STRING_ELEMENTS,
  STRING_LAST_SOURCE,
  STRING_LAST_TARGET,
  STRING_RUN_KINDS,
  type StringRunKind,
  stringAtOnceName,
} from "../x86/string-progress.ts";
import { Assembler } from "./assembler.ts";
import type { Signature } from "./module-builder.ts";
import { comparePair, compareWithPattern, elementLoad } from "./string-comparisons.ts";
import { copyDown, copyUp, fill } from "./string-moves.ts";
import {
  ACCUMULATOR,
  AT,
  COUNT,
  CPU,
  findWindows,
  type GiveUp,
  LEFT,
  locate,
  RUN,
  repeatElement,
  SIZE,
  SOURCE,
  STRING_LOCALS,
  sidesOf,
  sizeOfRun,
  toLowest,
} from "./string-places.ts";

/**
 * Repeated string instructions of compiled code in 64-bit mode, all at once or not at all:
 * where either string lies in a window, or in one page that the TLB knows. Comparisons only upwards.
 *
 * (vCPU base, executions that the budget has beyond this one, source or accumulator, target, RCX) ->
 * 0: nothing was done. MOVS and STOS: executions that it would have taken. Others: elements that were
 * compared; the last ones are in the state then.
 */
export const STRING_AT_ONCE: Signature = {
  parameters: ["i32", "i32", "i64", "i64", "i64"],
  results: ["i64"],
};

const EXECUTIONS = 1;
const ELEMENTS_SHIFT = BigInt(Math.log2(STRING_ELEMENTS));

export const stringsAtOnce = () =>
  STRING_RUN_KINDS.flatMap((kind) =>
    [0, 1, 2, 3].map((shift) => ({
      name: stringAtOnceName(kind, 1 << shift),
      signature: STRING_AT_ONCE,
      write: () => ({ locals: STRING_LOCALS, code: stringAtOnce(kind, shift) }),
    })),
  );

function stringAtOnce(kind: StringRunKind, shift: number): Assembler {
  const code = new Assembler();
  const giveUp: GiveUp = () => code.if(() => code.i64(0n).return());
  code.get(COUNT).set(LEFT);
  // most are short
  code.get(COUNT).i64(BigInt(STRING_ELEMENTS)).op("i64.gt_u");
  code.if(() => limitByBudget(code, kind, giveUp));
  findWindows(code);
  if (kind === "stos" || kind.startsWith("scas")) {
    code.get(ACCUMULATOR);
    repeatElement(code, shift);
  }
  code.get(CPU).load("i32", EFLAGS).i32(EFLAGS_DF).op("i32.and");
  if (compares(kind)) {
    giveUp(0);
    return comparison(code, kind, shift, giveUp);
  }
  code.if(
    () => move(code, kind, shift, true, giveUp),
    () => move(code, kind, shift, false, giveUp),
  );
  code.get(COUNT).get(COUNT).i64(0n).op("i64.ne").op("i64.extend_i32_u").op("i64.sub");
  return code.i64(ELEMENTS_SHIFT).op("i64.shr_u").i64(1n).op("i64.add");
}

function locateAll(
  code: Assembler,
  kind: StringRunKind,
  shift: number,
  down: boolean,
  giveUp: GiveUp,
): void {
  code.get(LEFT).set(RUN);
  for (const side of sidesOf(kind))
    locate(code, side, shift, down, giveUp, () => code.i64(0n).return());
}

function move(
  code: Assembler,
  kind: StringRunKind,
  shift: number,
  down: boolean,
  giveUp: GiveUp,
): void {
  locateAll(code, kind, shift, down, giveUp);
  code.get(RUN).get(COUNT).op("i64.ne");
  giveUp(0);
  if (down) toLowest(code, sidesOf(kind), shift);
  sizeOfRun(code, shift);
  if (kind === "stos") fill(code);
  else if (down) copyDown(code, giveUp);
  else copyUp(code, shift, giveUp);
}

/** Comparisons may end sooner than their count. */
function limitByBudget(code: Assembler, kind: StringRunKind, giveUp: GiveUp): void {
  const executions = (): Assembler => code.get(EXECUTIONS).op("i64.extend_i32_s");
  if (compares(kind)) {
    code.get(EXECUTIONS).i32(0).op("i32.lt_s");
    code.if(() => code.i32(0).set(EXECUTIONS));
    executions().i64(1n).op("i64.add").i64(ELEMENTS_SHIFT).op("i64.shl").set(LEFT);
    code.get(COUNT).get(LEFT).op("i64.lt_u");
    code.if(() => code.get(COUNT).set(LEFT));
    return;
  }
  code.get(COUNT).i64(1n).op("i64.sub").i64(ELEMENTS_SHIFT).op("i64.shr_u");
  executions().op("i64.gt_s");
  giveUp(1);
}

function comparison(
  code: Assembler,
  kind: StringRunKind,
  shift: number,
  giveUp: GiveUp,
): Assembler {
  locateAll(code, kind, shift, false, giveUp);
  sizeOfRun(code, shift);
  if (kind === "cmps-equal") comparePair(code);
  else compareWithPattern(code, shift, kind === "scas-equal");
  code.get(AT).get(SIZE).op("i32.eq");
  code.if(
    () => {
      // no element stopped it, so all must have been compared, and there must be some
      code.get(RUN).get(COUNT).op("i64.ne");
      giveUp(1);
      code.get(RUN).op("i64.eqz");
      giveUp(1);
      code
        .get(SIZE)
        .i32(1 << shift)
        .op("i32.sub")
        .set(AT);
    },
    () => {
      code
        .get(AT)
        .i32(-(1 << shift))
        .op("i32.and")
        .set(AT);
    },
  );
  for (const { host } of sidesOf(kind)) {
    code.get(CPU).get(host).get(AT).op("i32.add").load(elementLoad(shift));
    code.store("i64", host === SOURCE ? STRING_LAST_SOURCE : STRING_LAST_TARGET);
  }
  code.get(AT).i32(shift).op("i32.shr_u").i32(1).op("i32.add");
  return code.op("i64.extend_i32_u");
}

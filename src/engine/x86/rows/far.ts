import { flagO } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";
import { readFarPointer } from "./segment.ts";

/** Transfers of control that change CS: far branches, interrupts, and their returns. */

const ENDS = { ends: true };
const ENDS_NO64 = { ends: true, no64: true };

/** What helpers/far.ts finds: VALUE the offset, VALUE + 8 selector and operand size in bytes (<< 16). */
function transfer(i: Instruction, helper: string, offset: Value, selector: Value): void {
  i.storeState(VALUE, "i64", offset);
  i.storeState(VALUE + 8, "i64", i.or(selector, i.i64((i.bits / 8) << 16)));
  i.helper(helper);
  i.proceedWithFlags();
}

function direct(helper: string): Semantics {
  return (i) =>
    transfer(i, helper, i.word(2, "i64.32u"), i.and(i.word(3, "i64.32u"), i.i64(0xffff)));
}

function indirect(helper: string): Semantics {
  return (i) => {
    const { offset, selector } = readFarPointer(i, 0);
    transfer(i, helper, offset, selector);
  };
}

row("ea", "JMPF Ap", direct("far_jump"), ENDS_NO64);
row("9a", "CALLF Ap", direct("far_call"), ENDS_NO64);
row("ff /5", "JMPF Mp", indirect("far_jump"), ENDS);
row("ff /3", "CALLF Mp", indirect("far_call"), ENDS);

/** VALUE: operand size in bytes, VALUE + 8: bytes of parameters to drop. */
function giveBack(helper: string, extra: (i: Instruction) => Value): Semantics {
  return (i) => {
    i.storeState(VALUE, "i32", i.i32(i.bits / 8));
    i.storeState(VALUE + 8, "i64", extra(i));
    i.helper(helper);
    i.proceedWithFlags();
  };
}

const nothing = (i: Instruction): Value => i.i64(0);
row("cb", "RETF", giveBack("far_return", nothing), ENDS);
row(
  "ca",
  "RETF Iw",
  giveBack("far_return", (i) => i.source(0, 16)),
  ENDS,
);

/** VALUE: vector. */
function interrupt(helper: string, vector: (i: Instruction) => Value): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", vector(i));
    i.helper(helper);
    i.proceedWithFlags();
  };
}

row(
  "cc",
  "INT3",
  interrupt("breakpoint", (i) => i.i64(3)),
  ENDS,
);
row(
  "f1",
  "INT1",
  interrupt("icebp", (i) => i.i64(1)),
  ENDS,
);
row(
  "ce",
  "INTO",
  (i) => {
    i.if(flagO(i), () => {
      i.storeState(VALUE, "i64", i.i64(4));
      i.helper("breakpoint");
      i.proceedWithFlags();
    });
    i.proceed();
  },
  ENDS_NO64,
);

/** #BR unless the signed index lies between the two bounds in memory. */
const bound: Semantics = (i) => {
  const bits = i.bits;
  const bytes = bits / 8;
  const address = i.linear(1, 2 * bytes, "read");
  const load = bits === 16 ? "i64.16s" : "i64.32s";
  const index = i.readSigned(0);
  const lower = i.loadGuest(address, load);
  const upper = i.loadGuest(i.truncate(i.add(address, i.i64(bytes)), 32), load);
  const outside = i.op("i32.or", i.op("i64.lt_s", index, lower), i.op("i64.gt_s", index, upper));
  i.if(outside, () => i.raise(5));
};
row("62 mem", "BOUND Gv,Mv", bound, { no64: true });

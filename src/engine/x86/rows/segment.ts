import type { Load, Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { CS, DS, ES, FS, GS, SEGMENT_SELECTOR, SS, segmentField, VALUE } from "../state.ts";

/** Loading, storing, pushing and popping segment registers. */

const ENDS = { ends: true };
const ENDS_NO64 = { ends: true, no64: true };
const NO64 = { no64: true };
const D64 = { default64: true };
const ENDS_D64 = { ends: true, default64: true };

/** The selector of a segment register operand. */
function selectorOf(i: Instruction, index: number): Value {
  const place = i.place(index);
  if (!("word" in place)) throw new Error("segment registers are not fixed operands");
  return i.loadState({ word: place.word, plus: SEGMENT_SELECTOR }, "i64.16u");
}

// To memory always 16 bits.
row("8c mem", "MOV Ew,Sw", (i) => i.write(0, selectorOf(i, 1)));
row("8c reg", "MOV Rv,Sw", (i) => i.write(0, selectorOf(i, 1)));
// CS and numbers above 5 are no forms at all: #UD before the operand is looked at.
for (const segment of [0, 2, 3, 4, 5])
  row(
    `8e /${segment}`,
    "MOV Sw,Ew",
    (i) => {
      i.storeState(VALUE, "i64", i.read(1));
      i.helper("mov_to_segment");
      i.finish();
    },
    ENDS,
  );

function push(segment: number): Semantics {
  return (i) => {
    const selector = i.loadState(segmentField(segment, SEGMENT_SELECTOR), "i64.16u");
    if (i.bits !== 32) {
      i.push(selector);
      return;
    }
    // Processors write two of the four bytes.
    const pointer = i.stackPointer(-4);
    i.storeGuest(i.inSegment(SS, pointer, 2, "write"), "i64.16", selector, { stack: true });
    i.setStackPointer(pointer);
  };
}

/** What helpers/segment.ts finds in VALUE: segment register, operand bytes. */
function pop(segment: number): Semantics {
  return (i) => {
    i.storeState(VALUE, "i32", i.i32(segment | ((i.bits / 8) << 8)));
    i.helper("pop_segment");
    i.finish();
  };
}

row("06", "PUSH ES", push(ES), NO64);
row("0e", "PUSH CS", push(CS), NO64);
row("16", "PUSH SS", push(SS), NO64);
row("1e", "PUSH DS", push(DS), NO64);
row("0f a0", "PUSH FS", push(FS), D64);
row("0f a8", "PUSH GS", push(GS), D64);
row("07", "POP ES", pop(ES), ENDS_NO64);
row("17", "POP SS", pop(SS), ENDS_NO64);
row("1f", "POP DS", pop(DS), ENDS_NO64);
row("0f a1", "POP FS", pop(FS), ENDS_D64);
row("0f a9", "POP GS", pop(GS), ENDS_D64);

const OFFSET_LOADS: Record<number, Load> = { 16: "i64.16u", 32: "i64.32u", 64: "i64" };

/** Offset and selector of a far pointer in memory. */
export function readFarPointer(i: Instruction, index: number): { offset: Value; selector: Value } {
  const bytes = i.bits / 8;
  const address = i.linear(index, bytes + 2, "read");
  const stack = i.usesStack(index);
  const offset = i.loadGuest(address, OFFSET_LOADS[i.bits], { stack });
  const above = i.add(address, i.i64(bytes));
  const selector = i.loadGuest(i.codeBits === 64 ? above : i.truncate(above, 32), "i64.16u", {
    stack,
  });
  return { offset, selector };
}

function loadFar(segment: number): Semantics {
  return (i) => {
    const { offset, selector } = readFarPointer(i, 1);
    i.storeState(VALUE, "i64", i.or(selector, i.i64(segment << 16)));
    i.helper("load_segment");
    i.write(0, offset);
    i.finish();
  };
}

row("c4", "LES Gv,Mp", loadFar(ES), ENDS_NO64);
row("c5", "LDS Gv,Mp", loadFar(DS), ENDS_NO64);
row("0f b2", "LSS Gv,Mp", loadFar(SS), ENDS);
row("0f b4", "LFS Gv,Mp", loadFar(FS), ENDS);
row("0f b5", "LGS Gv,Mp", loadFar(GS), ENDS);

const PROTECTED = { protectedOnly: true };

/** Raise the RPL of a selector to another's. Memory is not written if nothing changes. */
const arpl: Semantics = (i) => {
  const selector = i.read(0);
  const rpl = i.and(i.read(1), i.i64(3));
  const raised = i.ltU(i.and(selector, i.i64(3)), rpl);
  i.if(raised, () => i.write(0, i.or(i.and(selector, i.i64(0xfffc)), rpl)));
  i.storeState(VALUE, "i32", raised);
  i.helper("set_zero");
};
row("63", "ARPL Ew,Gw", arpl, { protectedOnly: true, no64: true });

/** LAR and LSL: VALUE receives the result, VALUE + 8 whether there is one. */
function inspect(helper: string): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.read(1));
    i.helper(helper);
    const result = i.truncate(i.loadState(VALUE, "i64.32u"), i.width(0));
    i.if(i.loadState(VALUE + 8, "i32"), () => i.write(0, result));
  };
}
row("0f 02", "LAR Gv,Ew", inspect("lar"), PROTECTED);
row("0f 03", "LSL Gv,Ew", inspect("lsl"), PROTECTED);

function verify(helper: string): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.read(0));
    i.helper(helper);
  };
}
row("0f 00 /4", "VERR Ew", verify("verr"), PROTECTED);
row("0f 00 /5", "VERW Ew", verify("verw"), PROTECTED);

import type { Load } from "../../micro/micro-op.ts";
import { X87 } from "../../x86/state.ts";
import * as layout from "../../x87/layout.ts";
import { RAISED } from "../../x87/quick/transfer.ts";

/** A field of the x87 window, in compiled code. */
export interface X87Field {
  readonly store: "i32" | "i64";
  readonly load: Load;
  /**
   * Where it is: registers and control words in the state, as most of them are read again soon, and
   * many ways out would have to write them; pointers in locals, as nobody reads most of them; what
   * is only used inside an instruction in locals that never get to the state.
   */
  readonly keeping: "state" | "local" | "scratch";
}

const FIELDS = new Map<number, X87Field>();

function field(
  keeping: X87Field["keeping"],
  offset: number,
  store: X87Field["store"],
  load: Load = store,
): void {
  FIELDS.set(X87 + offset, { store, load, keeping });
}

for (let register = 0; register < 8; register++) {
  const offset = layout.REGISTERS + register * layout.REGISTER_BYTES;
  field("state", offset, "i64");
  field("state", offset + layout.SIGN_EXPONENT, "i32", "i32.16u");
}
for (const offset of [layout.CONTROL_WORD, layout.STATUS_WORD, layout.TAGS])
  field("state", offset, "i32");
for (const offset of [layout.LAST_OPCODE, layout.INSTRUCTION_SELECTOR, layout.DATA_SELECTOR])
  field("local", offset, "i32");
for (const offset of [layout.INSTRUCTION_POINTER, layout.DATA_POINTER])
  field("local", offset, "i64");
for (const offset of [layout.OPERAND, layout.NUMBER]) {
  field("scratch", offset, "i64");
  field("scratch", offset + 8, "i32");
}
for (const offset of [layout.EFLAGS, RAISED]) field("scratch", offset, "i32");

export function x87Field(offset: number): X87Field | undefined {
  return FIELDS.get(offset);
}

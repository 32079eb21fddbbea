import type { Value } from "../../micro/micro-op.ts";
import { row, type Semantics } from "../row.ts";
import { SS, VALUE } from "../state.ts";

/** PUSH, POP and stack frames. */

const D64 = { default64: true };

row("50+r", "PUSH Zv", (i) => i.push(i.read(0)), D64);
row("68", "PUSH Iz", (i) => i.push(i.source(0, i.bits), i.bits), D64);
row("6a", "PUSH Ibs", (i) => i.push(i.source(0, i.bits), i.bits), D64);
row("ff /6", "PUSH Ev", (i) => i.push(i.read(0)), D64);

row(
  "58+r",
  "POP Zv",
  (i) => {
    const value = i.peek();
    // POP RSP: the popped value wins over the increment.
    i.setStackPointer(i.stackPointer(i.bits / 8));
    i.write(0, value);
  },
  D64,
);

row(
  "8f /0",
  "POP Ev",
  (i) => {
    const value = i.peek();
    if (!i.isMemory(0)) {
      i.setStackPointer(i.stackPointer(i.bits / 8));
      i.write(0, value);
      return;
    }
    // An address formed with RSP uses its value after the pop; a fault must leave RSP alone.
    const before = i.general(4, 64);
    i.setStackPointer(i.stackPointer(i.bits / 8));
    const effective = i.effective(0);
    const after = i.general(4, 64);
    i.setGeneral(4, 64, before);
    i.storeTo(0, effective, value);
    i.setGeneral(4, 64, after);
  },
  D64,
);

/** General registers in the order of PUSHA; SP is its value before. */
const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

row(
  "60",
  "PUSHA",
  (i) => {
    const bytes = i.bits / 8;
    // The last slot first: if it faults, nothing has changed.
    const values = ALL.map((register) => i.general(register, i.bits));
    const slot = (n: number): Value =>
      i.inSegment(SS, i.stackPointer(-bytes * (n + 1)), bytes, "write");
    const store = i.bits === 32 ? "i64.32" : "i64.16";
    for (const n of [...ALL].reverse())
      i.storeGuest(slot(n), store, values[n] as Value, { stack: true });
    i.setStackPointer(i.stackPointer(-bytes * 8));
  },
  { no64: true },
);

row(
  "61",
  "POPA",
  (i) => {
    const bytes = i.bits / 8;
    const values = ALL.map((n) => i.peek(bytes * n));
    i.setStackPointer(i.stackPointer(bytes * 8));
    // Popped in reverse order: DI first; SP's image is dropped.
    ALL.forEach((n) => {
      const register = 7 - n;
      if (register !== 4) i.setGeneral(register, i.bits, values[n] as Value);
    });
  },
  { no64: true },
);

const leave: Semantics = (i) => {
  const frame = i.general(5, i.stackBits);
  const bytes = i.bits / 8;
  const address = i.inSegment(SS, frame, bytes, "read");
  const load = i.bits === 64 ? "i64" : i.bits === 32 ? "i64.32u" : "i64.16u";
  const value = i.loadGuest(address, load, { stack: true });
  i.setStackPointer(i.truncate(i.add(frame, i.i64(bytes)), i.stackBits));
  i.setGeneral(5, i.bits, value);
};
row("c9", "LEAVE", leave, D64);

row(
  "c8",
  "ENTER Iw,Ib",
  (i) => {
    i.storeState(VALUE, "i32", i.i32(i.bits));
    i.helper("enter");
  },
  D64,
);

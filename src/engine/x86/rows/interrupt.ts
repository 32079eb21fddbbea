import type { Value } from "../../micro/micro-op.ts";
import { EFLAGS_AC, EFLAGS_NT, EFLAGS_TF, EFLAGS_VM } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import { BY_INSTRUCTION } from "../interrupt-quick.ts";
import { MODE_CODE_64, MODE_CPL_0 } from "../mode.ts";
import { row, type Semantics } from "../row.ts";
import {
  CS,
  DS,
  EFLAGS,
  ES,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  HELD,
  HELD_NMI,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  VALUE,
  WATCHING,
} from "../state.ts";
import { FLAT_CODE_64, FLAT_STACK, PRIVILEGE_3 } from "../system-calls.ts";
import { setFlags, setFlat, setPrivilege } from "./flat-transfer.ts";

/**
 * INT n as interrupt-quick.ts has it, IRET at CPL 0 in 64-bit mode through flat segments here;
 * otherwise in interrupts.ts and interrupt-return.ts, which say what they do.
 */

const ENDS = { ends: true };
const RSP = 4;
/** Descriptors of the flat segments of 64-bit systems, accessed, with DPL 0; and where DPL stands. */
const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const STACK_DESCRIPTOR = 0x00cf_9300_0000_ffffn;
const DPL_SHIFT = 45n;
const DPL_3 = PRIVILEGE_3;
const bits = (i: Instruction, value: Value, mask: number): Value =>
  i.op("i32.and", value, i.i32(mask));
const none = (i: Instruction, value: Value): Value => i.op("i32.eqz", value);
const both = (i: Instruction, ...conditions: readonly Value[]): Value =>
  conditions.reduce((a, b) => i.op("i32.and", a, b));
const selectorOf = (i: Instruction, segment: number): Value =>
  i.loadState(segmentField(segment, SEGMENT_SELECTOR), "i32");
const isCanonical = (i: Instruction, address: Value): Value =>
  i.eq(i.shrS(i.shl(address, i.i64(16)), i.i64(16)), address);

/** Nothing to watch or to trap, no nested task, and the system does not reach for user pages. */
function isOrdinary(i: Instruction): Value {
  const special = bits(
    i,
    i.loadState(EFLAGS, "i32"),
    EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_VM,
  );
  return none(i, i.op("i32.or", special, i.loadState(WATCHING, "i32")));
}

/** Whether a selector (i64) names an entry of the GDT. */
function isGlobal(i: Instruction, selector: Value): Value {
  const offset = i.and(selector, i.i64(0xfffc));
  const last = i.or(selector, i.i64(7));
  const inTable = i.op("i64.le_u", last, i.loadState(GDTR_LIMIT, "i64.32u"));
  const named = i.op("i64.ne", offset, i.i64(0));
  return both(i, inTable, named, i.eqz(i.and(selector, i.i64(4))));
}

function descriptor(i: Instruction, selector: Value): Value {
  const offset = i.and(selector, i.i64(0xfff8));
  return i.loadGuest(i.add(i.loadState(GDTR_BASE, "i64"), offset), "i64");
}

const interrupt: Semantics = (i) => {
  const vector = i.source(0, 8);
  if (i.decoded.mode & MODE_CODE_64) {
    i.if(isOrdinary(i), () => {
      const start = i.loadState(RIP, "i64");
      i.storeState(RIP, "i64", i.nextRip());
      const parameters = [i.wrap(vector), i.i32(-1), i.i32(BY_INSTRUCTION)];
      i.if(i.call("deliver_quickly", "i32", parameters), () => i.proceedAtRip());
      i.storeState(RIP, "i64", start);
    });
  }
  i.storeState(VALUE, "i64", vector);
  i.helper("software_interrupt");
  i.proceedWithFlags();
};

/** Whether a data segment may stay as it is at CPL 3: null, or of that level. */
function mayStay(i: Instruction, segment: number): Value {
  const isNull = none(i, bits(i, selectorOf(i, segment), 0xfffc));
  const level = bits(i, i.loadState(segmentField(segment, SEGMENT_ATTRIBUTES), "i32"), DPL_3);
  return i.op("i32.or", isNull, i.op("i32.eq", level, i.i32(DPL_3)));
}

const interruptReturn: Semantics = (i) => {
  const { mode } = i.decoded;
  if (mode & MODE_CODE_64 && mode & MODE_CPL_0 && i.bits === 64) {
    const nmi = bits(i, i.loadState(HELD, "i32"), HELD_NMI);
    i.if(both(i, isOrdinary(i), none(i, nmi)), () => {
      const target = i.peek(0);
      const selector = i.and(i.peek(8), i.i64(0xffff));
      const image = i.wrap(i.peek(16));
      const pointer = i.peek(24);
      const stack = i.and(i.peek(32), i.i64(0xffff));
      const plain = none(i, bits(i, image, EFLAGS_TF | EFLAGS_AC));
      i.if(both(i, plain, isCanonical(i, target), isGlobal(i, selector)), () => {
        const code = descriptor(i, selector);
        const transfer = (privilege: 0 | 3, loadStack: () => void): void => {
          setFlags(i, bits(i, image, ~EFLAGS_VM));
          setFlat(i, CS, i.wrap(selector), FLAT_CODE_64 | (privilege === 3 ? DPL_3 : 0));
          loadStack();
          if (privilege === 3) setPrivilege(i, 3);
          i.setGeneral(RSP, 64, pointer);
          i.storeState(RIP, "i64", target);
          i.proceedWithFlags();
        };
        const isOf = (value: Value, base: bigint, level: bigint): Value =>
          i.eq(value, i.i64(base | (level << DPL_SHIFT)));
        const isAt = (level: number): Value =>
          both(
            i,
            i.eq(i.and(selector, i.i64(3)), i.i64(level)),
            i.eq(i.and(stack, i.i64(3)), i.i64(level)),
            isOf(code, CODE_DESCRIPTOR, BigInt(level)),
          );
        i.if(isAt(0), () => {
          // as an interrupt of CPL 3 has left it
          const isNull = both(i, i.eqz(stack), none(i, selectorOf(i, SS)));
          i.if(isNull, () => transfer(0, () => {}));
          i.if(isGlobal(i, stack), () => {
            i.if(isOf(descriptor(i, stack), STACK_DESCRIPTOR, 0n), () => {
              transfer(0, () => setFlat(i, SS, i.wrap(stack), FLAT_STACK));
            });
          });
        });
        const stay = [DS, ES, FS, GS].map((segment) => mayStay(i, segment));
        i.if(both(i, isAt(3), isGlobal(i, stack), ...stay), () => {
          i.if(isOf(descriptor(i, stack), STACK_DESCRIPTOR, 3n), () => {
            transfer(3, () => setFlat(i, SS, i.wrap(stack), FLAT_STACK | DPL_3));
          });
        });
      });
    });
  }
  i.storeState(VALUE, "i32", i.i32(i.bits / 8));
  i.helper("interrupt_return");
  i.proceedWithFlags();
};

row("cd", "INT Ib", interrupt, ENDS);
row("cf", "IRET", interruptReturn, ENDS);

import { arithmeticFlags } from "../micro/flags.ts";
import type { Lift } from "../micro/lift.ts";
import type { Value } from "../micro/micro-op.ts";
import { EFLAGS_AC, EFLAGS_NT, EFLAGS_RF, EFLAGS_VM } from "./control-bits.ts";
import { ATTRIBUTE_UNUSABLE } from "./descriptor.ts";
import { CLEARED_BY_INTERRUPT, CLEARED_BY_TRAP } from "./interrupt-gate.ts";
import { MODE_CODE_64, MODE_CPL_0, MODE_CPL_3 } from "./mode.ts";
import { setPrivilege } from "./rows/flat-transfer.ts";
import {
  CPL,
  CS,
  EFLAGS,
  GDTR_BASE,
  GDTR_LIMIT,
  GPR,
  IDTR_BASE,
  IDTR_LIMIT,
  MODE,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_READ_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_WRITE_LIMIT,
  SS,
  segmentField,
  TR,
  WATCHING,
} from "./state.ts";

/**
 * Interrupts and exceptions as most systems have them: 64-bit code of CPL 0 or 3, a handler at CPL 0,
 * tables and stacks in plain memory. What is not so is refused, and done by interrupt-long.ts, which
 * says what is done here; nothing has changed then but what it will push as well.
 */

/** How {@link deliverQuickly} leaves. */
export const REFUSED = 0;
export const DELIVERED = 1;

/** What a delivery is for: an instruction that needs the gate's permission; a fault, which saves RF as set. */
export const BY_INSTRUCTION = 1;
export const BY_FAULT = EFLAGS_RF;

const STACK_POINTER = GPR + 4 * 8;
const SPECIAL = EFLAGS_NT | EFLAGS_AC | EFLAGS_VM;
/** Gates, bytes 4 to 7: present, and of which type but for bit 0, which tells trap from interrupt gates. */
const GATE = 0x9e00;
const LONG_GATE = 0x8e00;
const TRAP_GATE = 0x100;
/** Descriptors, bytes 4 to 7: present, DPL, of no system, code, conforming, accessed, L, D. */
const CODE_BITS = 0x0060_fd00;
const CODE_64 = 0x0020_9900;
const READABLE = 0x200;
const GRANULAR = 0x0080_0000;

/** Upper 32 bits (i32). */
const highOf = (l: Lift, value: Value): Value => l.wrap(l.shrU(value, l.i64(32)));
const bits = (l: Lift, value: Value, mask: number): Value => l.op("i32.and", value, l.i32(mask));
const either = (l: Lift, ...conditions: readonly Value[]): Value =>
  conditions.reduce((a, b) => l.op("i32.or", a, b));

/**
 * As `deliverLong`; RIP in the state is the return address. Leaves with {@link DELIVERED} or
 * {@link REFUSED}. All parameters are i32.
 *
 * @param errorCode -1: none
 * @param cause 0, {@link BY_INSTRUCTION} or {@link BY_FAULT}
 */
export function deliverQuickly(l: Lift, vector: Value, errorCode: Value, cause: Value): void {
  const refuseIf = (...conditions: readonly Value[]): void =>
    l.if(either(l, ...conditions), () => l.leave(REFUSED));
  const flags = l.loadState(EFLAGS, "i32");
  const mode = l.loadState(MODE, "i32");
  const offset = l.op("i32.shl", vector, l.i32(4));
  refuseIf(
    bits(l, flags, SPECIAL),
    l.loadState(WATCHING, "i32"),
    l.op("i32.eqz", bits(l, mode, MODE_CODE_64)),
    l.op("i32.eqz", bits(l, mode, MODE_CPL_0 | MODE_CPL_3)),
    l.op("i32.gt_u", l.op("i32.or", offset, l.i32(15)), l.loadState(IDTR_LIMIT, "i32")),
  );

  const gate = l.loadGuest(l.add(l.loadState(IDTR_BASE, "i64"), l.extend(offset)), "v128");
  const low = l.lane("i64x2.extract_lane", 0, gate);
  const middle = highOf(l, low);
  const upper = l.lane("i32x4.extract_lane", 2, gate);
  const cpl = l.loadState(CPL, "i32");
  const selector = bits(l, l.wrap(l.shrU(low, l.i64(16))), 0xffff);
  const mayNot = l.op(
    "i32.lt_u",
    bits(l, l.op("i32.shr_u", middle, l.i32(13)), 3),
    l.op("i32.mul", cpl, bits(l, cause, BY_INSTRUCTION)),
  );
  const place = bits(l, selector, 0xfff8);
  refuseIf(
    l.op("i32.ne", bits(l, middle, GATE), l.i32(LONG_GATE)),
    mayNot,
    // bits 63:47 of the target are not equal
    l.op("i32.ne", l.op("i32.shr_s", upper, l.i32(15)), l.op("i32.shr_s", upper, l.i32(31))),
    bits(l, selector, 4),
    l.op("i32.eqz", place),
    l.op("i32.gt_u", l.op("i32.or", place, l.i32(7)), l.loadState(GDTR_LIMIT, "i32")),
  );
  const code = l.loadGuest(l.add(l.loadState(GDTR_BASE, "i64"), l.extend(place)), "i64");
  refuseIf(l.op("i32.ne", bits(l, highOf(l, code), CODE_BITS), l.i32(CODE_64)));

  const before = l.loadState(STACK_POINTER, "i64");
  const pointer = l.variable(before);
  const table = bits(l, middle, 7);
  l.if(l.op("i32.or", table, cpl), () => {
    // RSP0, or an entry of the interrupt stack table
    const entry = l.select(
      table,
      l.op("i32.add", l.op("i32.shl", table, l.i32(3)), l.i32(28)),
      l.i32(4),
    );
    const last = l.op("i32.add", entry, l.i32(7));
    refuseIf(l.op("i32.gt_u", last, l.loadState(segmentField(TR, SEGMENT_LIMIT), "i32")));
    const task = l.loadState(segmentField(TR, SEGMENT_BASE), "i64");
    l.set(pointer, l.loadGuest(l.add(task, l.extend(entry)), "i64"));
  });
  const top = l.and(l.get(pointer), l.i64(-16));
  const selectorOf = (segment: number): Value =>
    l.loadState(segmentField(segment, SEGMENT_SELECTOR), "i64.32u");
  const pair = (first: Value, second: Value): Value =>
    l.lane("i64x2.replace_lane", 1, l.op("i64x2.splat", first), second);
  const push = (distance: number, values: Value): void =>
    l.storeGuest(l.add(top, l.i64(-distance)), "v128", values);
  const fault = bits(l, cause, BY_FAULT);
  const saved = either(l, flags, l.i32(2), arithmeticFlags(l), fault);
  const returnAddress = l.loadState(RIP, "i64");
  push(16, pair(before, selectorOf(SS)));
  push(32, pair(selectorOf(CS), l.extend(saved)));
  l.if(
    l.op("i32.lt_s", errorCode, l.i32(0)),
    () => {
      l.storeGuest(l.add(top, l.i64(-40)), "i64", returnAddress);
      l.storeState(STACK_POINTER, "i64", l.add(top, l.i64(-40)));
    },
    () => {
      push(48, pair(l.extend(errorCode), returnAddress));
      l.storeState(STACK_POINTER, "i64", l.add(top, l.i64(-48)));
    },
  );

  const kept = l.select(
    bits(l, middle, TRAP_GATE),
    l.i32(~CLEARED_BY_TRAP),
    l.i32(~CLEARED_BY_INTERRUPT),
  );
  l.storeState(EFLAGS, "i32", l.op("i32.and", flags, kept));
  setCode(l, bits(l, selector, 0xfffc), code);
  l.if(cpl, () => {
    setPrivilege(l, 0);
    setNullStack(l);
  });
  const target = either(l, bits(l, l.wrap(low), 0xffff), bits(l, middle, 0xffff_0000));
  l.storeState(RIP, "i32", target);
  l.storeState(RIP + 4, "i32", upper);
  l.leave(DELIVERED);
}

/** Fill CS from a descriptor of code. */
function setCode(l: Lift, selector: Value, descriptor: Value): void {
  const low = l.wrap(descriptor);
  const high = highOf(l, descriptor);
  const base = either(
    l,
    l.op("i32.shr_u", low, l.i32(16)),
    l.op("i32.shl", bits(l, high, 0xff), l.i32(16)),
    bits(l, high, 0xff00_0000),
  );
  const size = l.op("i32.or", bits(l, low, 0xffff), bits(l, high, 0xf_0000));
  const pages = l.op("i32.or", l.op("i32.shl", size, l.i32(12)), l.i32(0xfff));
  const limit = l.select(bits(l, high, GRANULAR), pages, size);
  const readLimit = l.select(bits(l, high, READABLE), l.extend(limit), l.i64(-1));
  const attributes = bits(l, l.op("i32.shr_u", high, l.i32(8)), 0xf0ff);
  l.storeState(segmentField(CS, SEGMENT_BASE), "i64", l.extend(base));
  l.storeState(segmentField(CS, SEGMENT_READ_LIMIT), "i64", readLimit);
  l.storeState(segmentField(CS, SEGMENT_WRITE_LIMIT), "i64", l.i64(-1));
  l.storeState(segmentField(CS, SEGMENT_LIMIT), "i32", limit);
  l.storeState(segmentField(CS, SEGMENT_SELECTOR), "i32", selector);
  l.storeState(segmentField(CS, SEGMENT_ATTRIBUTES), "i32", attributes);
}

/** The null selector of CPL 0. */
function setNullStack(l: Lift): void {
  l.storeState(segmentField(SS, SEGMENT_BASE), "i64", l.i64(0));
  l.storeState(segmentField(SS, SEGMENT_READ_LIMIT), "i64", l.i64(-1));
  l.storeState(segmentField(SS, SEGMENT_WRITE_LIMIT), "i64", l.i64(-1));
  l.storeState(segmentField(SS, SEGMENT_LIMIT), "i32", l.i32(0));
  l.storeState(segmentField(SS, SEGMENT_SELECTOR), "i32", l.i32(0));
  l.storeState(segmentField(SS, SEGMENT_ATTRIBUTES), "i32", l.i32(ATTRIBUTE_UNUSABLE));
}

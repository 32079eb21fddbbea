import { EFLAGS_AC, EFLAGS_NT, EFLAGS_VM } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { Descriptor } from "./descriptor.ts";
import {
  CLEARED_BY_INTERRUPT,
  CLEARED_BY_TRAP,
  externalBit,
  savedFlags,
} from "./interrupt-gate.ts";
import type { EventSource } from "./interrupts.ts";
import { setCpl, setFromDescriptor, setNull } from "./segments.ts";
import {
  CS,
  EFLAGS,
  GDTR_BASE,
  GDTR_LIMIT,
  GPR,
  IDTR_BASE,
  IDTR_LIMIT,
  RIP,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  TR,
} from "./state.ts";

/**
 * Interrupts and exceptions as most systems have them: 64-bit code, a handler at CPL 0, tables
 * and stacks in memory that the TLB knows. What is not so is refused before anything has changed,
 * and done by interrupt-long.ts, which says what is done here. One look-up serves what lies together.
 */

/** V8 folds no imported constants. */
const INSTRUCTION_POINTER = RIP;
const STACK_POINTER = GPR + 4 * 8;
const FLAGS = EFLAGS;
const GATES = IDTR_BASE;
const GATES_LIMIT = IDTR_LIMIT;
const DESCRIPTORS = GDTR_BASE;
const DESCRIPTORS_LIMIT = GDTR_LIMIT;
const CODE = CS;
const STACK = SS;
const CODE_SELECTOR = segmentField(CS, SEGMENT_SELECTOR);
const STACK_SELECTOR = segmentField(SS, SEGMENT_SELECTOR);
const TASK = segmentField(TR, SEGMENT_BASE);
const TASK_LIMIT = segmentField(TR, SEGMENT_LIMIT);
const CLEARED_BY_GATE = [CLEARED_BY_INTERRUPT, CLEARED_BY_TRAP];
const SPECIAL = EFLAGS_NT | EFLAGS_AC | EFLAGS_VM;

/** Gates, bytes 4 to 7: present, and of which type but for bit 0, which tells trap from interrupt gates. */
const GATE = 0x9e00;
const LONG_GATE = 0x8e00;
/** Descriptors, bytes 4 to 7: present, of no system, of code or data, conforming, writable or readable, accessed, L, D. */
const CODE_BITS = 0x0060_9d00;
const CODE_64 = 0x0020_9900;

const code = new Descriptor();

/** Byte in linear memory of `size` bytes in the table whose base stands in the state, if the TLB knows; or -1. */
function tableHost(core: Core, base: number, offset: number, size: number, set: number): number {
  const start = core.i32[base >> 2] as number;
  const low = (start + offset) | 0;
  // a table that wraps at 4 GiB, or an entry in two pages
  if (start >>> 16 === 0xffff || (low & 0xfff) > 4096 - size) return -1;
  return core.tlb.readHalves(low, core.i32[(base >> 2) + 1] as number, set);
}

/** Byte in linear memory of a descriptor of the GDT, or -1. */
function descriptorHost(core: Core, selector: number, set: number): number {
  const offset = selector & 0xfff8;
  if (selector & 4 || offset === 0 || offset + 7 > core.get(DESCRIPTORS_LIMIT)) return -1;
  return tableHost(core, DESCRIPTORS, offset, 8, set);
}

/** Bits 63:47 are equal. */
function isCanonicalHigh(high: number): boolean {
  return high >> 15 === high >> 31;
}

/** As `deliverLong`. @returns false: nothing was done */
export function deliverQuickly(
  core: Core,
  vector: number,
  source: EventSource,
  errorCode: number,
): boolean {
  const flags = core.get(FLAGS);
  if (core.watching || !core.is64 || flags & SPECIAL) return false;
  const { tlb, linearView: view } = core;
  const set = core.implicitSet;
  if (vector * 16 + 15 > core.get(GATES_LIMIT)) return false;
  const gate = tableHost(core, GATES, vector * 16, 16, set);
  if (gate < 0) return false;
  const lo = view.getUint32(gate, true);
  const hi = view.getUint32(gate + 4, true);
  const upper = view.getInt32(gate + 8, true);
  const cpl = core.cpl;
  if ((hi & GATE) !== LONG_GATE || !isCanonicalHigh(upper)) return false;
  if (externalBit(source) === 0 && ((hi >>> 13) & 3) < cpl) return false;
  const selector = lo >>> 16;
  const descriptor = descriptorHost(core, selector, set);
  if (descriptor < 0) return false;
  const codeHigh = view.getUint32(descriptor + 4, true);
  // of privilege 0
  if ((codeHigh & (CODE_BITS | 0x6000)) !== CODE_64) return false;

  let pointer = core.i32[STACK_POINTER >> 2] as number;
  let pointerHigh = core.i32[(STACK_POINTER >> 2) + 1] as number;
  const ist = hi & 7;
  if (ist !== 0 || cpl !== 0) {
    const offset = ist === 0 ? 4 : 28 + ist * 8;
    if (offset + 7 > core.get(TASK_LIMIT)) return false;
    const task = tableHost(core, TASK, offset, 8, set);
    if (task < 0) return false;
    pointer = view.getInt32(task, true);
    pointerHigh = view.getInt32(task + 4, true);
  }
  const bytes = errorCode < 0 ? 40 : 48;
  // the upper half would change as well
  if (pointer >>> 12 === 0) return false;
  pointer = ((pointer & ~15) - bytes) | 0;
  if ((pointer & 0xfff) + bytes > 4096) return false;
  // RFLAGS.AC is clear
  const host = tlb.writeHalves(pointer, pointerHigh, set);
  if (host < 0) return false;

  let at = host;
  if (errorCode >= 0) {
    view.setUint32(at, errorCode, true);
    view.setUint32(at + 4, 0, true);
    at += 8;
  }
  view.setUint32(at, core.get(INSTRUCTION_POINTER), true);
  view.setUint32(at + 4, core.get(INSTRUCTION_POINTER + 4), true);
  view.setUint32(at + 8, core.get(CODE_SELECTOR), true);
  view.setUint32(at + 12, 0, true);
  view.setUint32(at + 16, savedFlags(core, vector, source), true);
  view.setUint32(at + 20, 0, true);
  view.setUint32(at + 24, core.get(STACK_POINTER), true);
  view.setUint32(at + 28, core.get(STACK_POINTER + 4), true);
  view.setUint32(at + 32, core.get(STACK_SELECTOR), true);
  view.setUint32(at + 36, 0, true);

  core.set(FLAGS, flags & ~(CLEARED_BY_GATE[(hi >>> 8) & 1] as number));
  code.lo = view.getUint32(descriptor, true);
  code.hi = codeHigh;
  setFromDescriptor(core, CODE, selector & 0xfffc, code);
  if (cpl !== 0) {
    setCpl(core, 0);
    setNull(core, STACK, 0);
  }
  core.set(STACK_POINTER, pointer);
  core.set(STACK_POINTER + 4, pointerHigh);
  core.set(INSTRUCTION_POINTER, (lo & 0xffff) | (hi & 0xffff_0000));
  core.set(INSTRUCTION_POINTER + 4, upper);
  return true;
}

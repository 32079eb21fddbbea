import { arithmeticFlags, setAll } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import { EFER_SCE, EFLAGS_AC, EFLAGS_RF, EFLAGS_TF, SYSTEM_FLAGS } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import { MODE_CODE_64, MODE_CPL_0, MODE_CPL_3 } from "../mode.ts";
import { IA32_FMASK, IA32_LSTAR, IA32_STAR, msrOffset } from "../msr.ts";
import { row, type Semantics } from "../row.ts";
import {
  CPL,
  CS,
  EFER,
  EFLAGS,
  MODE,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_READ_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_WRITE_LIMIT,
  SS,
  SUPERVISOR_TLB,
  SUPERVISOR_TLB_SET,
  segmentField,
  TLB,
  TLB_SET,
  USER_TLB,
  VALUE,
} from "../state.ts";
import { FLAT_CODE_64, FLAT_STACK, PRIVILEGE_3, SYSRET_FLAGS } from "../system-calls.ts";
import { USER } from "../tlb.ts";

/**
 * System calls and their returns: between CPL 3 and CPL 0 of 64-bit mode here, otherwise in
 * system-calls.ts, which says what they do.
 */

const ENDS = { ends: true };
const RCX = 1;
const R11 = 11;
const STAR = msrOffset(IA32_STAR);
const LSTAR = msrOffset(IA32_LSTAR);
const FMASK = msrOffset(IA32_FMASK);
const LIMIT = 0xffff_ffff;

function inTypeScript(helper: string): Semantics {
  return (i) => {
    i.storeState(VALUE, "i32", i.i32(i.bits));
    i.helper(helper);
    i.proceedWithFlags();
  };
}

/** Load a flat segment. Code may be read, data written as well. */
function setFlat(i: Instruction, segment: number, selector: Value, attributes: number): void {
  const set = (field: number, value: number): void =>
    i.storeState(segmentField(segment, field), "i64", i.i64(value));
  set(SEGMENT_BASE, 0);
  set(SEGMENT_READ_LIMIT, LIMIT);
  set(SEGMENT_WRITE_LIMIT, segment === CS ? -1 : LIMIT);
  i.storeState(segmentField(segment, SEGMENT_LIMIT), "i32", i.i32(LIMIT));
  i.storeState(segmentField(segment, SEGMENT_SELECTOR), "i32", selector);
  i.storeState(segmentField(segment, SEGMENT_ATTRIBUTES), "i32", i.i32(attributes));
}

/** Of two privilege levels of 64-bit mode, with RFLAGS.AC clear: what follows from the new one. */
function setPrivilege(i: Instruction, cpl: 0 | 3): void {
  const others = i.decoded.mode & ~(MODE_CPL_0 | MODE_CPL_3);
  i.storeState(CPL, "i32", i.i32(cpl));
  i.storeState(MODE, "i32", i.i32(others | (cpl === 0 ? MODE_CPL_0 : MODE_CPL_3)));
  i.storeState(TLB, "i32", i.loadState(cpl === 0 ? SUPERVISOR_TLB : USER_TLB, "i32"));
  const set = cpl === 0 ? i.loadState(SUPERVISOR_TLB_SET, "i32") : i.i32(USER);
  i.storeState(TLB_SET, "i32", set);
}

function setFlags(i: Instruction, image: Value): void {
  setAll(i, image);
  i.storeState(EFLAGS, "i32", i.op("i32.and", image, i.i32(SYSTEM_FLAGS)));
}

/** Neither traps nor alignment checks, nor access of the system to user pages, and SYSCALL is on. */
function isOrdinary(i: Instruction, flags: Value): Value {
  const special = i.op("i32.and", flags, i.i32(EFLAGS_TF | EFLAGS_AC));
  const enabled = i.op("i32.and", i.loadState(EFER, "i32"), i.i32(EFER_SCE));
  return i.op("i32.and", i.op("i32.eqz", special), enabled);
}

const syscall: Semantics = (i) => {
  const { mode } = i.decoded;
  if (mode & MODE_CODE_64 && mode & MODE_CPL_3) {
    const system = i.op("i32.or", i.loadState(EFLAGS, "i32"), i.i32(2));
    i.if(isOrdinary(i, system), () => {
      const flags = i.op("i32.or", system, arithmeticFlags(i));
      const star = i.loadState(STAR + 4, "i32");
      i.setGeneral(RCX, 64, i.nextRip());
      i.setGeneral(R11, 64, i.extend(flags));
      const cleared = i.op("i32.or", i.loadState(FMASK, "i32"), i.i32(EFLAGS_RF));
      setFlags(i, i.op("i32.and", flags, i.op("i32.xor", cleared, i.i32(-1))));
      const selector = i.op("i32.and", star, i.i32(0xfffc));
      setFlat(i, CS, selector, FLAT_CODE_64);
      setFlat(
        i,
        SS,
        i.op("i32.and", i.op("i32.add", selector, i.i32(8)), i.i32(0xffff)),
        FLAT_STACK,
      );
      setPrivilege(i, 0);
      i.storeState(RIP, "i64", i.loadState(LSTAR, "i64"));
      i.proceedAtRip();
    });
  }
  inTypeScript("syscall")(i);
};

const sysret: Semantics = (i) => {
  const { mode } = i.decoded;
  if (mode & MODE_CODE_64 && mode & MODE_CPL_0 && i.bits === 64) {
    const image = i.op("i32.and", i.wrap(i.general(R11, 64)), i.i32(SYSRET_FLAGS));
    const target = i.general(RCX, 64);
    const canonical = i.eq(i.shrS(i.shl(target, i.i64(16)), i.i64(16)), target);
    const both = i.op("i32.or", image, i.loadState(EFLAGS, "i32"));
    i.if(i.op("i32.and", isOrdinary(i, both), canonical), () => {
      const base = i.op("i32.shr_u", i.loadState(STAR + 4, "i32"), i.i32(16));
      const selector = (distance: number): Value =>
        i.op(
          "i32.and",
          i.op("i32.or", i.op("i32.add", base, i.i32(distance)), i.i32(3)),
          i.i32(0xffff),
        );
      setFlags(i, image);
      setFlat(i, CS, selector(16), FLAT_CODE_64 | PRIVILEGE_3);
      setFlat(i, SS, selector(8), FLAT_STACK | PRIVILEGE_3);
      setPrivilege(i, 3);
      i.storeState(RIP, "i64", target);
      i.proceedWithFlags();
    });
  }
  inTypeScript("sysret")(i);
};

row("0f 05", "SYSCALL", syscall, ENDS);
row("0f 07", "SYSRET", sysret, ENDS);
row("0f 34", "SYSENTER", inTypeScript("sysenter"), ENDS);
row("0f 35", "SYSEXIT", inTypeScript("sysexit"), ENDS);

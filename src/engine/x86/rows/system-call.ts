import { arithmeticFlags } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import { EFER_SCE, EFLAGS_AC, EFLAGS_RF, EFLAGS_TF } from "../control-bits.ts";
import type { Instruction } from "../instruction.ts";
import { MODE_CODE_64, MODE_CPL_0, MODE_CPL_3 } from "../mode.ts";
import { IA32_FMASK, IA32_LSTAR, IA32_STAR, msrOffset } from "../msr.ts";
import { row, type Semantics } from "../row.ts";
import { CS, EFER, EFLAGS, RIP, SS, VALUE } from "../state.ts";
import { FLAT_CODE_64, FLAT_STACK, PRIVILEGE_3, SYSRET_FLAGS } from "../system-calls.ts";
import { setFlags, setFlat, setPrivilege } from "./flat-transfer.ts";

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

function inTypeScript(helper: string): Semantics {
  return (i) => {
    i.storeState(VALUE, "i32", i.i32(i.bits));
    i.helper(helper);
    i.proceedWithFlags();
  };
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

import type { Hypercall } from "../../vcpu.ts";
import { isCanonical, readGuest8 } from "../access.ts";
import {
  CR0_EM,
  CR0_MP,
  CR0_PE,
  CR0_TS,
  CR4_OSXSAVE,
  CR4_PCIDE,
  EFLAGS_AC,
  EFLAGS_ID,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_RF,
  EFLAGS_VIF,
  EFLAGS_VIP,
} from "../control-bits.ts";
import { writeCr0, writeCr2, writeCr3, writeCr4, writeCr8 } from "../control-registers.ts";
import type { Core } from "../core.ts";
import { cpuid } from "../cpuid.ts";
import { forgetCpuid, keepCpuid } from "../cpuid-cache.ts";
import { debugRegister, writeDebugRegister } from "../debug-registers.ts";
import { exitObject } from "../exit-objects.ts";
import { BASIC_FLAGS, loadFlags } from "../interrupt-return.ts";
import { readMsr, writeMsr } from "../msr.ts";
import { invalidatePage } from "../paging.ts";
import { nextRip } from "../position.ts";
import { loadLdt, loadTaskRegister } from "../segments.ts";
import { ADDRESS, CR0, CR2, CR3, CR4, DR, Leave, RIP, VALUE, XCR0 } from "../state.ts";
import { COMPONENT_AVX, COMPONENT_SSE, COMPONENT_X87, stateComponents } from "../xsave.ts";
import type { Helpers } from "./helpers.ts";

const RAX = 0;
const RCX = 1;
const RDX = 2;

const msrRead = exitObject("msr-read");
const msrWrite = exitObject("msr-write");
const cpuidExit = exitObject("cpuid");
const xsetbv = exitObject("xsetbv");
const vmcall = exitObject("hypercall", { instruction: "vmcall" });
const vmmcall = exitObject("hypercall", { instruction: "vmmcall" });
const invd = exitObject("special-instruction", { name: "invd" });
const wbinvd = exitObject("special-instruction", { name: "wbinvd" });

/** Number of a debug register, whose byte offset the record has for an operand. */
function debugNumber(core: Core, record: number, operand: number): number {
  return (core.linearView.getInt32(record + 8 + 4 * operand, true) - DR) / 8;
}

function result(core: Core, lo: number, hi: number): number {
  core.set(VALUE, lo);
  core.set(VALUE + 4, hi);
  return Leave.none;
}

/** RDMSR and WRMSR are microcode and serialise: they take as long as so many other instructions. */
const MSR_INSTRUCTIONS = 100;

/** RIP is behind the instruction while the moderator looks, and stays there if it says stop. */
function hypercall(core: Core, record: number, exit: Hypercall): number {
  const start = core.address(RIP);
  core.setAddress(RIP, nextRip(core, record));
  try {
    core.exit(exit);
  } catch (problem) {
    if (core.stopping) core.ripIsArchitectural = true;
    else core.setAddress(RIP, start);
    throw problem;
  }
  return Leave.none;
}

function checkSupervisorFlag(core: Core): void {
  if (core.cpl !== 0) core.raise(6);
}

function big(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** Rows: rows/system.ts. Raised faults come before any change. */
export const SYSTEM_HELPERS: Helpers = {
  /** POPF: VALUE the image, VALUE + 8 the operand size in bits. */
  load_flags: (core) => {
    const wide = core.get(VALUE + 8) !== 16;
    let mask = BASIC_FLAGS;
    if (wide) mask |= EFLAGS_AC | EFLAGS_ID | EFLAGS_RF;
    if (core.cpl <= core.iopl) mask |= EFLAGS_IF;
    if (core.cpl === 0) mask |= EFLAGS_IOPL;
    // RF, VIF and VIP are cleared, whatever the image says.
    loadFlags(core, core.get(VALUE) & ~(EFLAGS_RF | EFLAGS_VIF | EFLAGS_VIP), mask);
    return Leave.none;
  },
  clear_ac: (core) => {
    checkSupervisorFlag(core);
    core.setRflags(core.rflags() & ~EFLAGS_AC);
    return Leave.none;
  },
  set_ac: (core) => {
    checkSupervisorFlag(core);
    core.setRflags(core.rflags() | EFLAGS_AC);
    return Leave.none;
  },

  lldt: (core) => {
    loadLdt(core, core.get(VALUE) & 0xffff);
    return Leave.none;
  },
  ltr: (core) => {
    loadTaskRegister(core, core.get(VALUE) & 0xffff);
    return Leave.none;
  },

  /** LMSW can set PE but not clear it. */
  lmsw: (core) => {
    const cr0 = core.get(CR0);
    const word = core.get(VALUE) | (cr0 & CR0_PE);
    const bits = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
    writeCr0(core, (cr0 & ~bits) | (word & bits));
    return Leave.none;
  },
  clts: (core) => {
    core.set(CR0, core.get(CR0) & ~CR0_TS);
    core.modeChanged();
    return Leave.none;
  },
  read_task_priority: (core) => result(core, core.interrupts.taskPriority, 0),
  write_control: (core, record) => {
    const lo = core.get(VALUE);
    const hi = core.get(VALUE + 4);
    switch (core.linearView.getInt32(record + 8, true)) {
      case CR0:
        writeCr0(core, lo, hi);
        break;
      case CR2:
        writeCr2(core, lo, hi);
        break;
      case CR3:
        writeCr3(core, lo, hi);
        break;
      case CR4:
        writeCr4(core, lo, hi);
        break;
      default:
        writeCr8(core, lo, hi);
    }
    return Leave.none;
  },
  read_debug: (core, record) => {
    const offset = debugRegister(core, debugNumber(core, record, 1));
    return result(core, core.get(offset), core.get(offset + 4));
  },
  write_debug: (core, record) => {
    writeDebugRegister(core, debugNumber(core, record, 0), core.get(VALUE), core.get(VALUE + 4));
    return Leave.none;
  },

  rdmsr: (core) => {
    core.vcpu?.stall(MSR_INSTRUCTIONS);
    msrRead.msr = core.register(RCX);
    msrRead.lo = msrRead.hi = 0;
    if (core.exit(msrRead) === "native") {
      const value = readMsr(core, msrRead.msr);
      if (value === undefined) return core.generalProtection();
      msrRead.lo = Number(BigInt.asUintN(32, value));
      msrRead.hi = Number(value >> 32n);
    }
    core.setRegister(RAX, msrRead.lo);
    core.setRegister(RDX, msrRead.hi);
    return Leave.none;
  },
  wrmsr: (core) => {
    core.vcpu?.stall(MSR_INSTRUCTIONS);
    msrWrite.msr = core.register(RCX);
    msrWrite.lo = core.register(RAX);
    msrWrite.hi = core.register(RDX);
    forgetCpuid(core);
    if (core.exit(msrWrite) === "native") {
      const value = big(core.register(RAX), core.register(RDX));
      if (!writeMsr(core, core.register(RCX), value)) core.generalProtection();
    }
    return Leave.none;
  },
  /** There are no performance counters. */
  rdpmc: (core) => core.generalProtection(),
  /** The answer is in the cache then. */
  cpuid: (core) => {
    cpuidExit.leaf = core.register(RAX);
    cpuidExit.subleaf = core.register(RCX);
    cpuidExit.constant = false;
    cpuid(core, cpuidExit);
    core.exit(cpuidExit);
    keepCpuid(core, cpuidExit);
    return Leave.none;
  },

  xgetbv: (core) => {
    if (!(core.get(CR4) & CR4_OSXSAVE)) core.raise(6);
    if (core.register(RCX) !== 0) core.generalProtection();
    core.setRegister(RAX, core.get(XCR0));
    core.setRegister(RDX, 0);
    return Leave.none;
  },
  xsetbv: (core) => {
    if (!(core.get(CR4) & CR4_OSXSAVE)) core.raise(6);
    if (core.cpl !== 0) core.generalProtection();
    xsetbv.index = core.register(RCX);
    xsetbv.lo = core.register(RAX);
    xsetbv.hi = core.register(RDX);
    if (core.exit(xsetbv) === "native") {
      const lo = core.register(RAX);
      const isValid =
        core.register(RCX) === 0 &&
        core.register(RDX) === 0 &&
        (lo & ~stateComponents(core.level)) === 0 &&
        lo & COMPONENT_X87 &&
        // AVX state is nothing without SSE state.
        !(lo & COMPONENT_AVX && !(lo & COMPONENT_SSE));
      if (!isValid) core.generalProtection();
      core.set(XCR0, lo);
      core.modeChanged();
    }
    return Leave.none;
  },

  invlpg: (core) => {
    const linear = core.address(ADDRESS);
    if (isCanonical(linear)) invalidatePage(core, linear);
    return Leave.none;
  },
  /** VALUE the process-context identifier, VALUE + 8 the page, ADDRESS the type. Every type may drop more than asked. */
  invpcid: (core) => {
    const type = core.get(ADDRESS);
    const forProcess = type <= 1;
    const reserved = core.get(VALUE + 4) !== 0 || (core.get(VALUE) & ~0xfff) !== 0;
    if (type > 3 || core.get(ADDRESS + 4) !== 0 || reserved) core.generalProtection();
    if (forProcess && core.get(VALUE) !== 0 && !(core.get(CR4) & CR4_PCIDE))
      core.generalProtection();
    if (type === 0 && !isCanonical(core.address(VALUE + 8))) core.generalProtection();
    core.flushTlb();
    return Leave.none;
  },
  invd: (core) => {
    core.exit(invd);
    return Leave.none;
  },
  wbinvd: (core) => {
    core.exit(wbinvd);
    return Leave.none;
  },

  /** No store wakes MWAIT: CPUID does not offer it. */
  monitor: (core) => {
    if (core.register(RCX) !== 0) core.generalProtection();
    readGuest8(core, core.address(ADDRESS));
    return Leave.none;
  },
  mwait: (core) => {
    if (core.register(RCX) & ~1) core.generalProtection();
    return Leave.none;
  },
  vmcall: (core, record) => hypercall(core, record, vmcall),
  vmmcall: (core, record) => hypercall(core, record, vmmcall),
};

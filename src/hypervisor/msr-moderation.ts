/** RDMSR and WRMSR (hypervisor interface, 7.2, Intel). What is not listed there reaches the bare machine. */
import type { MsrRead, MsrWrite, Verdict } from "../engine/vcpu.ts";
import { IA32_APIC_BASE, ICR_LOW } from "../machine/apic-registers.ts";
import { readX2apicMsr, writeX2apicMsr, X2APIC_MSR } from "./apic-moderation.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import type { Violation } from "./mmio-dispatch.ts";
import { MSR_OTHER } from "./statistics.ts";

const MTRR_FIRST = 0x200;
const MTRR_LAST = 0x276;
export const IA32_PAT = 0x277;
export const IA32_MTRR_DEF_TYPE = 0x2ff;
const IA32_PERF_GLOBAL_CTRL = 0x38f;
const X2APIC_MSR_LAST = 0x83f;
/** Intercepted to the end of the range that the cache allocation MSRs lie in. */
const CAT_LAST = 0xd8f;

const MTRR_ENABLE = 1 << 11;

export function moderateMsrRead(core: Core, cpu: Cpu, exit: MsrRead): Verdict {
  const { msr } = exit;
  switch (msr) {
    case IA32_PAT:
      cpu.statistics.count(MSR_OTHER);
      exit.lo = cpu.patLo;
      exit.hi = cpu.patHi;
      return "done";
    case IA32_MTRR_DEF_TYPE:
      cpu.statistics.count(MSR_OTHER);
      exit.lo = cpu.mtrrDefaultLo;
      exit.hi = cpu.mtrrDefaultHi;
      return "done";
  }
  if (core.apicOperation === "xapic" && isX2apicMsr(msr)) return readX2apicMsr(core, cpu, exit);
  return core.board.bareModerator.exit(cpu.vcpu, exit);
}

export function moderateMsrWrite(
  core: Core,
  cpu: Cpu,
  exit: MsrWrite,
): Verdict | { readonly violation: Violation } {
  const { msr, lo, hi } = exit;
  if (isX2apicMsr(msr)) {
    if (core.apicOperation === "xapic" || msr === X2APIC_MSR + ICR_LOW)
      return writeX2apicMsr(core, cpu, exit);
  } else if (
    msr === IA32_APIC_BASE ||
    (msr >= MTRR_FIRST && msr <= MTRR_LAST) ||
    (msr > X2APIC_MSR_LAST && msr <= CAT_LAST)
  ) {
    cpu.statistics.count(MSR_OTHER);
    return { violation: `FATAL: Unhandled MSR write: ${msr.toString(16)}` };
  }
  switch (msr) {
    case IA32_PAT:
      cpu.statistics.count(MSR_OTHER);
      if (!isValidPat(lo) || !isValidPat(hi)) {
        const value = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
        return { violation: `FATAL: Invalid PAT value: ${value.toString(16)}` };
      }
      cpu.patLo = lo >>> 0;
      cpu.patHi = hi >>> 0;
      return "done";
    case IA32_MTRR_DEF_TYPE:
      cpu.statistics.count(MSR_OTHER);
      cpu.mtrrDefaultLo = ((cpu.mtrrDefaultLo & ~MTRR_ENABLE) | (lo & MTRR_ENABLE)) >>> 0;
      return "done";
    case IA32_PERF_GLOBAL_CTRL:
      cpu.statistics.count(MSR_OTHER);
      return "done";
  }
  return core.board.bareModerator.exit(cpu.vcpu, exit);
}

function isX2apicMsr(msr: number): boolean {
  return msr >= X2APIC_MSR && msr <= X2APIC_MSR_LAST;
}

/** Memory types 2 and 3 do not exist, and types above 7 neither. */
function isValidPat(half: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) {
    const type = (half >>> shift) & 0xff;
    if (type > 7 || type === 2 || type === 3) return false;
  }
  return true;
}

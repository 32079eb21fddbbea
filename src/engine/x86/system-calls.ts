import { isCanonical } from "./access.ts";
import { EFER_SCE, EFLAGS_IF, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { isNullSelector } from "./descriptor.ts";
import {
  IA32_CSTAR,
  IA32_FMASK,
  IA32_LSTAR,
  IA32_STAR,
  IA32_SYSENTER_CS,
  IA32_SYSENTER_EIP,
  IA32_SYSENTER_ESP,
  msrOffset,
} from "./msr.ts";
import { type SegmentCache, setCpl, setSegment } from "./segments.ts";
import { CS, EFER, EFLAGS, GPR, RIP, SS } from "./state.ts";
import { RSP } from "./transfer-stack.ts";

/** SYSCALL, SYSRET, SYSENTER, SYSEXIT (Intel SDM vol. 2): flat segments without descriptors. */

const RCX = GPR + 1 * 8;
const RDX = GPR + 2 * 8;
const R11 = GPR + 11 * 8;
const STAR = msrOffset(IA32_STAR);
const CSTAR = msrOffset(IA32_CSTAR);
const LSTAR = msrOffset(IA32_LSTAR);
const FMASK = msrOffset(IA32_FMASK);
const SYSENTER_CS = msrOffset(IA32_SYSENTER_CS);
const SYSENTER_ESP = msrOffset(IA32_SYSENTER_ESP);
const SYSENTER_EIP = msrOffset(IA32_SYSENTER_EIP);

/** What SYSRET loads from R11: RF and VM stay clear. */
export const SYSRET_FLAGS = 0x3c_7fd7;

/** Attributes of the segments, with DPL 0. */
export const FLAT_CODE_64 = 0xa09b;
const FLAT_CODE_32 = 0xc09b;
export const FLAT_STACK = 0xc093;
/** DPL 3. */
export const PRIVILEGE_3 = 0x60;

const segment: SegmentCache = { selector: 0, base: 0, limit: 0xffff_ffff, attributes: 0 };

function setFlat(core: Core, index: number, selector: number, attributes: number): void {
  segment.selector = selector & 0xffff;
  segment.attributes = attributes;
  setSegment(core, index, segment);
}

function enterSupervisor(core: Core, codeSelector: number, code: number): void {
  setFlat(core, CS, codeSelector, code);
  setFlat(core, SS, codeSelector + 8, FLAT_STACK);
  setCpl(core, 0);
}

function enterUser(core: Core, codeSelector: number, stackSelector: number, is64: boolean): void {
  setFlat(core, CS, codeSelector | 3, (is64 ? FLAT_CODE_64 : FLAT_CODE_32) | PRIVILEGE_3);
  setFlat(core, SS, stackSelector | 3, FLAT_STACK | PRIVILEGE_3);
  setCpl(core, 3);
}

/**
 * #UD outside IA-32e mode and with EFER.SCE clear. From compatibility mode it enters at CSTAR, as on
 * AMD's CPUs (APM vol. 3, SYSCALL): software that knows them relies on that, and none on the #UD of
 * Intel's.
 */
export function syscall(core: Core, returnAddress: number): void {
  if (!core.isLong || !(core.get(EFER) & EFER_SCE)) core.raise(6);
  const entry = core.is64 ? LSTAR : CSTAR;
  const flags = core.rflags();
  core.setAddress(RCX, returnAddress);
  core.setAddress(R11, flags);
  core.setRflags(flags & ~(core.get(FMASK) | EFLAGS_RF));
  enterSupervisor(core, core.get(STAR + 4) & 0xfffc, FLAT_CODE_64);
  core.setAddress(RIP, core.address(entry));
  core.singleStep = (core.get(EFLAGS) & EFLAGS_TF) !== 0;
}

/** @param is64 REX.W: back to 64-bit mode, otherwise to compatibility mode */
export function sysret(core: Core, is64: boolean): void {
  if (!core.isLong || !(core.get(EFER) & EFER_SCE)) core.raise(6);
  if (core.cpl !== 0) core.generalProtection();
  const target = core.address(RCX);
  if (is64 && !isCanonical(target)) core.generalProtection();
  core.setRflags(core.get(R11) & SYSRET_FLAGS);
  const base = core.get(STAR + 4) >>> 16;
  enterUser(core, is64 ? base + 16 : base, base + 8, is64);
  core.setAddress(RIP, is64 ? target : target >>> 0);
  core.singleStep = (core.get(EFLAGS) & EFLAGS_TF) !== 0;
}

export function sysenter(core: Core): void {
  const selector = core.get(SYSENTER_CS) & 0xffff;
  if (isNullSelector(selector)) core.generalProtection();
  const isLong = core.isLong;
  core.setRflags(core.rflags() & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
  enterSupervisor(core, selector & 0xfffc, isLong ? FLAT_CODE_64 : FLAT_CODE_32);
  core.setAddress(RSP, isLong ? core.address(SYSENTER_ESP) : core.get(SYSENTER_ESP));
  core.setAddress(RIP, isLong ? core.address(SYSENTER_EIP) : core.get(SYSENTER_EIP));
}

/** @param is64 REX.W: to 64-bit mode */
export function sysexit(core: Core, is64: boolean): void {
  const selector = core.get(SYSENTER_CS) & 0xffff;
  if (isNullSelector(selector) || core.cpl !== 0) core.generalProtection();
  const target = core.address(RDX);
  const pointer = core.address(RCX);
  if (is64 && !(isCanonical(target) && isCanonical(pointer))) core.generalProtection();
  if (is64) enterUser(core, selector + 32, selector + 40, true);
  else enterUser(core, selector + 16, selector + 24, false);
  core.setAddress(RSP, is64 ? pointer : pointer >>> 0);
  core.setAddress(RIP, is64 ? target : target >>> 0);
}

/**
 * How a guest reaches its local APIC: the register page of xAPIC mode, and the
 * MSRs (Intel SDM vol. 3, 11.4.1 and 11.12).
 */

import type { Width } from "../engine/vcpu.ts";
import * as apic from "./apic-registers.ts";
import type { MemoryDevice, ReadResult } from "./device.ts";
import type { LocalApic } from "./local-apic.ts";

/** The 4 KiB page. Registers lie 16 bytes apart and are 32 bits wide; what lies between reads 0. */
export class ApicPage implements MemoryDevice {
  readonly #lapic: LocalApic;

  constructor(lapic: LocalApic) {
    this.#lapic = lapic;
  }

  memoryRead(offset: number, width: Width, result: ReadResult): void {
    const byte = offset & 0xf;
    result.hi = 0;
    result.lo = 0;
    if (byte >= 4) return;
    const value = this.#lapic.readRegister(offset >>> 4) >>> (8 * byte);
    result.lo = width >= 4 ? value : value & (width === 2 ? 0xffff : 0xff);
  }

  /** Only aligned accesses of at least 32 bits count. */
  memoryWrite(offset: number, width: Width, lo: number, _hi: number): void {
    const register = offset >>> 4;
    if ((offset & 0xf) === 0 && width >= 4 && register !== apic.SELF_IPI)
      this.#lapic.writeRegister(register, lo);
  }
}

const READABLE = new Set<number>([
  apic.ID,
  apic.VERSION,
  apic.TPR,
  apic.PPR,
  apic.LDR,
  apic.SVR,
  ...Array.from({ length: 24 }, (_, n) => apic.ISR + n),
  apic.ESR,
  ...apic.LVT_REGISTERS,
  apic.ICR_LOW,
  apic.INITIAL_COUNT,
  apic.CURRENT_COUNT,
  apic.DIVIDE_CONFIGURATION,
]);

/** Writable registers and their reserved bits; LVT entries follow from what they can store. */
const RESERVED = new Map<number, number>([
  [apic.TPR, ~0xff],
  [apic.EOI, ~0],
  [apic.SVR, ~apic.SVR_WRITABLE],
  [apic.ESR, ~0],
  [apic.ICR_LOW, apic.ICR_RESERVED],
  [apic.INITIAL_COUNT, 0],
  [apic.DIVIDE_CONFIGURATION, ~0xb],
  [apic.SELF_IPI, ~0xff],
  ...apic.LVT_REGISTERS.map((register): [number, number] => [
    register,
    ~(apic.LVT_WRITABLE[register] | apic.LVT_DELIVERY_STATUS | pinStatus(register)),
  ]),
]);

function pinStatus(register: number): number {
  return register === apic.LVT_LINT0 || register === apic.LVT_LINT1 ? apic.LVT_REMOTE_IRR : 0;
}

/** Whether an MSR belongs to the local APIC: 0x1b, 0x6e0, 0x800..0x8ff. */
export function isApicMsr(msr: number): boolean {
  return (
    (msr >= apic.X2APIC_FIRST && msr <= apic.X2APIC_LAST) ||
    msr === apic.IA32_APIC_BASE ||
    msr === apic.IA32_TSC_DEADLINE
  );
}

/** RDMSR of one of {@link isApicMsr}. @returns false for a general-protection fault */
export function readApicMsr(lapic: LocalApic, msr: number, result: ReadResult): boolean {
  result.hi = 0;
  if (msr === apic.IA32_APIC_BASE) {
    result.lo = lapic.apicBase >>> 0;
    result.hi = Math.floor(lapic.apicBase / 2 ** 32);
    return true;
  }
  if (msr === apic.IA32_TSC_DEADLINE) {
    result.lo = lapic.timer.deadlineLow;
    result.hi = lapic.timer.deadlineHigh;
    return true;
  }
  const register = msr - apic.X2APIC_FIRST;
  if (!lapic.x2apic || !READABLE.has(register)) return false;
  result.lo = lapic.readRegister(register);
  if (register === apic.ICR_LOW) result.hi = lapic.readRegister(apic.ICR_HIGH);
  return true;
}

/** WRMSR of one of {@link isApicMsr}. @returns false for a general-protection fault */
export function writeApicMsr(lapic: LocalApic, msr: number, lo: number, hi: number): boolean {
  if (msr === apic.IA32_APIC_BASE) return writeApicBase(lapic, lo, hi);
  if (msr === apic.IA32_TSC_DEADLINE) {
    lapic.timer.setDeadline(lo, hi);
    return true;
  }
  const register = msr - apic.X2APIC_FIRST;
  const reserved = RESERVED.get(register);
  if (!lapic.x2apic || reserved === undefined || (lo & reserved) !== 0) return false;
  if (register === apic.ICR_LOW) lapic.writeIcr(lo, hi);
  else if (hi !== 0) return false;
  else lapic.writeRegister(register, lo);
  return true;
}

/** Bits 7:0 and 9, and those above 40 bits of physical address. */
const BASE_RESERVED_LOW = 0x2ff;
const BASE_RESERVED_HIGH = ~0xff;

function writeApicBase(lapic: LocalApic, lo: number, hi: number): boolean {
  if ((lo & BASE_RESERVED_LOW) !== 0 || (hi & BASE_RESERVED_HIGH) !== 0) return false;
  const enable = (lo & apic.APIC_BASE_EN) !== 0;
  const extended = (lo & apic.APIC_BASE_EXTD) !== 0;
  if (extended && !enable) return false;
  // x2APIC mode is entered from xAPIC mode only, and left only by disabling
  if (extended && !lapic.enabled) return false;
  if (!extended && enable && lapic.x2apic) return false;
  lapic.apicBase = hi * 2 ** 32 + (lo >>> 0);
  return true;
}

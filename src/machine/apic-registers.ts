/**
 * Registers of the local APIC (Intel SDM vol. 3, tables 11-1 and 11-6), by number: the xAPIC
 * offset is 16 times the number, the x2APIC MSR is 0x800 plus the number.
 */

export const ID = 0x02;
export const VERSION = 0x03;
export const TPR = 0x08;
export const APR = 0x09;
export const PPR = 0x0a;
export const EOI = 0x0b;
export const RRD = 0x0c;
export const LDR = 0x0d;
export const DFR = 0x0e;
export const SVR = 0x0f;
export const ISR = 0x10;
export const TMR = 0x18;
export const IRR = 0x20;
export const ESR = 0x28;
export const LVT_CMCI = 0x2f;
export const ICR_LOW = 0x30;
export const ICR_HIGH = 0x31;
export const LVT_TIMER = 0x32;
export const LVT_THERMAL = 0x33;
export const LVT_PERFORMANCE = 0x34;
export const LVT_LINT0 = 0x35;
export const LVT_LINT1 = 0x36;
export const LVT_ERROR = 0x37;
export const INITIAL_COUNT = 0x38;
export const CURRENT_COUNT = 0x39;
export const DIVIDE_CONFIGURATION = 0x3e;
/** x2APIC only. */
export const SELF_IPI = 0x3f;

/** The local vector table, in the order in which states and loops hold it. */
export const LVT_REGISTERS = [
  LVT_CMCI,
  LVT_TIMER,
  LVT_THERMAL,
  LVT_PERFORMANCE,
  LVT_LINT0,
  LVT_LINT1,
  LVT_ERROR,
] as const;

/** Bits a guest may store in each LVT entry; 12 (delivery status) and 14 (remote IRR) are read-only. */
export const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [LVT_CMCI]: 0x107ff,
  [LVT_TIMER]: 0x700ff,
  [LVT_THERMAL]: 0x107ff,
  [LVT_PERFORMANCE]: 0x107ff,
  [LVT_LINT0]: 0x1a7ff,
  [LVT_LINT1]: 0x1a7ff,
  [LVT_ERROR]: 0x100ff,
};
export const LVT_MASKED = 1 << 16;
export const LVT_LEVEL = 1 << 15;
export const LVT_REMOTE_IRR = 1 << 14;
export const LVT_DELIVERY_STATUS = 1 << 12;

export const SVR_ENABLE = 1 << 8;
export const SVR_SUPPRESS_EOI_BROADCAST = 1 << 12;
export const SVR_WRITABLE = 0x13ff;

/** Integrated APIC, LVT with 7 entries, can suppress EOI broadcasts. */
export const VERSION_VALUE = 0x01060014;

export const ESR_SEND_ILLEGAL_VECTOR = 1 << 5;
export const ESR_RECEIVE_ILLEGAL_VECTOR = 1 << 6;
export const ESR_ILLEGAL_REGISTER = 1 << 7;

/** Delivery modes, bits 10:8 of ICR, LVT, redirection entries and MSI data. */
export const FIXED = 0;
export const LOWEST_PRIORITY = 1;
export const SMI = 2;
export const NMI = 4;
export const INIT = 5;
export const STARTUP = 6;
export const EXTINT = 7;

/** Bit 11 of a command: the destination is logical. */
export const LOGICAL = 1 << 11;
export const LEVEL_ASSERT = 1 << 14;
export const LEVEL_TRIGGERED = 1 << 15;
/** Bits 19:18 of the ICR. */
export const SHORTHAND_SELF = 1;
export const SHORTHAND_ALL = 2;
export const SHORTHAND_OTHERS = 3;
/** Bits 31:20, 17:16 and 13:12: a general-protection fault in x2APIC mode. */
export const ICR_RESERVED = 0xfff33000;

export const IA32_APIC_BASE = 0x1b;
export const IA32_TSC_DEADLINE = 0x6e0;
export const X2APIC_FIRST = 0x800;
export const X2APIC_LAST = 0x8ff;
export const APIC_BASE_BSP = 1 << 8;
export const APIC_BASE_EXTD = 1 << 10;
export const APIC_BASE_EN = 1 << 11;
export const APIC_PAGE = 0xfee00000;

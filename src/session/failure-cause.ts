/** How a CPU came to a triple fault, in words for people. */
import type { GuestMemory } from "../engine/guest-memory.ts";
import type { Undelivered } from "../engine/vcpu.ts";
import { type Inspected, instructionAtRip, linearBytes } from "../engine/x86/inspect.ts";

/** Intel SDM vol. 3, table 6-1. */
const EXCEPTIONS: readonly (string | undefined)[] = [
  "#DE, division by zero or overflow",
  "#DB, debug",
  "a non-maskable interrupt",
  "#BP, breakpoint",
  "#OF, overflow",
  "#BR, BOUND range exceeded",
  "#UD, undefined opcode",
  "#NM, floating-point unit not available",
  "#DF, double fault",
  undefined,
  "#TS, invalid TSS",
  "#NP, segment not present",
  "#SS, stack segment fault",
  "#GP, general protection",
  "#PF, page fault",
  undefined,
  "#MF, x87 floating-point error",
  "#AC, alignment check",
  "#MC, machine check",
  "#XM, SSE floating-point error",
];

const UNDEFINED_OPCODE = 6;
const DEVICE_NOT_AVAILABLE = 7;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;

const CR0_EM = 1n << 2n;
const CR0_TS = 1n << 3n;
const CR4_OSFXSR = 1n << 9n;
const CR4_OSXMMEXCPT = 1n << 10n;
const CR4_OSXSAVE = 1n << 18n;

const UNIT_NAMES: Readonly<Record<string, string>> = {
  ...{ sse: "an SSE", avx: "an AVX", mmx: "an MMX", x87: "an x87" },
};

/** A sentence: the first exception or interrupt, what made it, and why no handler took it. */
export function tripleFaultCause(
  vcpu: Inspected,
  memory: GuestMemory,
  { vector, isException, errorCode }: Undelivered,
): string {
  if (!isException) return `interrupt ${vector} arrived; ${noHandler(vcpu, memory, vector)}`;
  const name = EXCEPTIONS[vector] ?? `exception ${vector}`;
  const code = errorCode < 0 ? "" : `, error code 0x${errorCode.toString(16)}`;
  const reason = reasonOf(vcpu, memory, vector, errorCode);
  return `${name}${code}${reason && `: ${reason}`}; ${noHandler(vcpu, memory, vector)}`;
}

function reasonOf(vcpu: Inspected, memory: GuestMemory, vector: number, errorCode: number): string {
  if (vector === PAGE_FAULT) return pageFault(errorCode);
  if (vector === GENERAL_PROTECTION && errorCode >= 0 && errorCode & 2)
    return `the IDT has no usable gate for vector ${errorCode >> 3}`;
  if (vector !== UNDEFINED_OPCODE && vector !== DEVICE_NOT_AVAILABLE) return "";
  const unit = instructionAtRip(vcpu, memory)?.unit;
  if (unit === undefined) return "";
  const off = switchedOff(vcpu, unit, vector);
  return off && `${UNIT_NAMES[unit]} instruction, but ${off}`;
}

/** Intel SDM vol. 3, 2.5 and 13.1: which control bits keep a unit from working. */
function switchedOff({ registers }: Inspected, unit: string, vector: number): string {
  const cr0 = registers.get("cr0");
  const cr4 = registers.get("cr4");
  const enable = `set CR4.OSFXSR${cr4 & CR4_OSXMMEXCPT ? "" : " and CR4.OSXMMEXCPT"} first`;
  if (unit === "sse" && vector === UNDEFINED_OPCODE && !(cr4 & CR4_OSFXSR))
    return `SSE is not enabled, CR4.OSFXSR is 0: ${enable}`;
  if (unit === "avx" && vector === UNDEFINED_OPCODE && !(cr4 & CR4_OSXSAVE))
    return "AVX is not enabled, CR4.OSXSAVE is 0: set it, and bits 1 and 2 of XCR0 by XSETBV first";
  if (cr0 & CR0_EM) return "CR0.EM is 1, which leaves floating point to software: clear it first";
  if (cr0 & CR0_TS) return "CR0.TS is 1, a task switch is pending: execute CLTS first";
  return "";
}

/** Intel SDM vol. 3, 4.7. */
function pageFault(errorCode: number): string {
  const access = errorCode & 0x10 ? "an instruction fetch" : errorCode & 2 ? "a write" : "a read";
  if (errorCode & 8) return `${access}, and a reserved bit is set in a paging structure`;
  return errorCode & 1
    ? `${access} that the page does not allow`
    : `${access} where no page is present`;
}

function noHandler(vcpu: Inspected, memory: GuestMemory, vector: number): string {
  const { registers } = vcpu;
  const { base, limit } = registers.idtr();
  if (registers.mode === "real") return "its handler could not be entered";
  const bytes = registers.mode === "long" || registers.mode === "compatibility" ? 16 : 8;
  const idt = `the IDT at 0x${base.toString(16)} with limit 0x${limit.toString(16)}`;
  if (bytes * (vector + 1) - 1 > limit) return `${idt} ends before vector ${vector}`;
  const gate = linearBytes(vcpu, memory, base + BigInt(bytes * vector), bytes);
  if (gate.length < bytes) return `${idt} is not in memory`;
  if (!(gate[5] & 0x80)) return `${idt} has no gate for vector ${vector}`;
  return `the handler that ${idt} names for vector ${vector} could not be entered`;
}

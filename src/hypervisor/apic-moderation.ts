/**
 * The local APIC as cells see it (hypervisor interface, 7.4). In x2APIC
 * operation only the interrupt command register is intercepted; in xAPIC
 * operation the register page is, and the x2APIC MSRs are emulated on top of it.
 */
import type { MsrRead, MsrWrite, Verdict, Width } from "../engine/vcpu.ts";
import * as apic from "../machine/apic-registers.ts";
import type { LocalApic } from "../machine/local-apic.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { sendIpi } from "./ipi.ts";
import type { Violation } from "./mmio-dispatch.ts";
import { MSR_OTHER, MSR_X2APIC_ICR } from "./statistics.ts";

/** MSRs 0x800 to 0x83f are the APIC's. */
export const X2APIC_MSR = 0x800;
const REGISTERS = 0x40;
/** xAPIC registers beyond this one (AMD's extended LVT would end here) do not exist. */
const LAST_XAPIC_REGISTER = 0x53;

/** APIC operation of all CPUs, fixed at enable. */
export type ApicOperation = "xapic" | "x2apic";

const ALL = 0xffffffff;

/** Bits that a guest must not set, by register; a register that is not listed takes none. */
const FORBIDDEN_BITS = new Uint32Array(LAST_XAPIC_REGISTER + 1).fill(ALL);
FORBIDDEN_BITS[apic.TPR] = 0xffffff00;
FORBIDDEN_BITS[apic.EOI] = 0;
FORBIDDEN_BITS[apic.SVR] = 0xfffffc00;
FORBIDDEN_BITS[apic.LVT_CMCI] = 0xfffef800;
FORBIDDEN_BITS[apic.ICR_LOW] = 0xfff33000;
FORBIDDEN_BITS[apic.LVT_TIMER] = 0xfff8ff00;
FORBIDDEN_BITS[apic.LVT_THERMAL] = 0xfffef800;
FORBIDDEN_BITS[apic.LVT_PERFORMANCE] = 0xfffef800;
FORBIDDEN_BITS[apic.LVT_LINT0] = 0xfff0f800;
FORBIDDEN_BITS[apic.LVT_LINT1] = 0xfff0f800;
FORBIDDEN_BITS[apic.LVT_ERROR] = 0xfffeff00;
FORBIDDEN_BITS[apic.INITIAL_COUNT] = 0;
FORBIDDEN_BITS[apic.DIVIDE_CONFIGURATION] = 0xfffffff4;
FORBIDDEN_BITS[apic.SELF_IPI] = 0xffffff00;

/** Where xAPIC operation differs; the id register is ignored, destinations have rules of their own. */
const FORBIDDEN_BITS_XAPIC = FORBIDDEN_BITS.slice();
FORBIDDEN_BITS_XAPIC[apic.ICR_HIGH] = 0x00ffffff;
FORBIDDEN_BITS_XAPIC[apic.SELF_IPI] = ALL;

const LVT = new Set<number>(apic.LVT_REGISTERS);

const X2APIC_READABLE = registerSet(
  [apic.ID, apic.ID],
  [apic.VERSION, apic.VERSION],
  [apic.TPR, apic.TPR],
  [apic.PPR, apic.PPR],
  [apic.LDR, apic.LDR],
  [apic.SVR, apic.SVR],
  [apic.ISR, apic.IRR + 7],
  [apic.ESR, apic.ESR],
  [apic.LVT_CMCI, apic.ICR_LOW],
  [apic.LVT_TIMER, apic.LVT_ERROR],
  [apic.INITIAL_COUNT, apic.CURRENT_COUNT],
  [apic.DIVIDE_CONFIGURATION, apic.DIVIDE_CONFIGURATION],
);

const X2APIC_WRITABLE = registerSet(
  [apic.TPR, apic.TPR],
  [apic.EOI, apic.EOI],
  [apic.SVR, apic.SVR],
  [apic.ESR, apic.ESR],
  [apic.LVT_CMCI, apic.ICR_LOW],
  [apic.LVT_TIMER, apic.LVT_ERROR],
  [apic.INITIAL_COUNT, apic.INITIAL_COUNT],
  [apic.DIVIDE_CONFIGURATION, apic.SELF_IPI],
);

function registerSet(...ranges: readonly (readonly [number, number])[]): Uint8Array {
  const set = new Uint8Array(REGISTERS);
  for (const [first, last] of ranges) set.fill(1, first, last + 1);
  return set;
}

function hexByte(register: number): string {
  return register.toString(16).padStart(2, "0");
}

function hexWord(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/** The rule that a write of a register breaks, or undefined. `register` is the xAPIC offset / 16. */
export function checkRegisterWrite(
  operation: ApicOperation,
  register: number,
  value: number,
): Violation | undefined {
  const forbidden = operation === "x2apic" ? FORBIDDEN_BITS : FORBIDDEN_BITS_XAPIC;
  if ((value & forbidden[register]) !== 0)
    return `FATAL: Trying to set reserved APIC bits (reg ${hexByte(register)}, value ${hexWord(value)})`;
  if (!LVT.has(register)) return undefined;
  const mode = (value >> 8) & 7;
  if (mode === apic.FIXED || mode === apic.NMI || (value & apic.LVT_MASKED) !== 0) return undefined;
  return `FATAL: Setting invalid LVT delivery mode (reg ${hexByte(register)}, value ${hexWord(value)})`;
}

/** RDMSR 0x800..0x83f in xAPIC operation. */
export function readX2apicMsr(core: Core, cpu: Cpu, exit: MsrRead): Verdict {
  const register = exit.msr - X2APIC_MSR;
  if (X2APIC_READABLE[register] === 0) return "fault";
  cpu.statistics.count(MSR_OTHER);
  const lapic = core.board.localApics[cpu.index];
  exit.lo = register === apic.ID ? lapic.id : lapic.readRegister(register);
  exit.hi = register === apic.ICR_LOW ? lapic.readRegister(apic.ICR_HIGH) : 0;
  return "done";
}

/**
 * WRMSR 0x800..0x83f in xAPIC operation, and of the ICR in either.
 * @returns a verdict, or the FATAL text
 */
export function writeX2apicMsr(
  core: Core,
  cpu: Cpu,
  exit: MsrWrite,
): Verdict | { readonly violation: Violation } {
  const register = exit.msr - X2APIC_MSR;
  if (X2APIC_WRITABLE[register] === 0) return "fault";
  const isIcr = register === apic.ICR_LOW;
  cpu.statistics.count(isIcr ? MSR_X2APIC_ICR : MSR_OTHER);
  const violation = checkRegisterWrite("x2apic", register, exit.lo);
  if (violation !== undefined) return { violation };
  if (isIcr) {
    const refused = sendIpi(core, cpu, exit.lo, exit.hi, true);
    return refused === undefined ? "done" : { violation: refused };
  }
  if (register === apic.SELF_IPI) core.console.print("Unhandled x2APIC self IPI write");
  else core.board.localApics[cpu.index].writeRegister(register, exit.lo);
  return "done";
}

/** An access to the register page at 0xfee00000. */
export class ApicPage {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  read(
    cpu: Cpu,
    offset: number,
    width: Width,
    result: { lo: number; hi: number },
  ): Violation | undefined {
    const refused = this.#refusal(offset, width);
    if (refused !== undefined) return unhandled(refused, offset, false);
    result.lo = this.#localApic(cpu).readRegister(offset >> 4);
    result.hi = 0;
    return undefined;
  }

  write(cpu: Cpu, offset: number, width: Width, value: number): Violation | undefined {
    const refused = this.#refusal(offset, width) ?? this.#write(cpu, offset >> 4, value);
    return refused === undefined ? undefined : unhandled(refused, offset, true);
  }

  /** What is wrong with the access itself; empty: nothing more specific than that it is unhandled. */
  #refusal(offset: number, width: Width): Violation | undefined {
    if (this.#core.apicOperation === "x2apic") return "FATAL: xAPIC access in x2APIC mode";
    if (offset % 16 !== 0 || offset >> 4 > LAST_XAPIC_REGISTER) return "";
    return width === 4 ? undefined : `FATAL: Unsupported APIC access width ${width}`;
  }

  #write(cpu: Cpu, register: number, value: number): Violation | undefined {
    const lapic = this.#localApic(cpu);
    switch (register) {
      case apic.ID:
        return undefined;
      case apic.LDR:
        if (value !== 2 ** (cpu.index + 24))
          return `FATAL: Unsupported change to LDR: ${value.toString(16)}`;
        break;
      case apic.DFR:
        if (value !== ALL) return `FATAL: Unsupported change to DFR: ${value.toString(16)}`;
        break;
      default: {
        const violation = checkRegisterWrite("xapic", register, value);
        if (violation !== undefined) return violation;
        if (register === apic.ICR_LOW)
          return sendIpi(this.#core, cpu, value, lapic.readRegister(apic.ICR_HIGH), false);
      }
    }
    lapic.writeRegister(register, value);
    return undefined;
  }

  #localApic(cpu: Cpu): LocalApic {
    return this.#core.board.localApics[cpu.index];
  }
}

/** Exit qualification of an APIC access (Intel SDM vol. 3, table 28-6): offset, and type linear read or write. */
function unhandled(specific: Violation, offset: number, isWrite: boolean): Violation {
  const qualification = (offset | (isWrite ? 0x1000 : 0)).toString(16);
  const line = `FATAL: Unhandled APIC access, qualification ${qualification}`;
  return specific === "" ? line : `${specific}\n${line}`;
}

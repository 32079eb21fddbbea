/** The text of a guest's failure, in the shapes of the Intel build (hypervisor interface, 9.5). */
import type { Registers } from "../engine/vcpu.ts";

/** 16 hex digits. */
export function hex16(value: bigint | number): string {
  return value.toString(16).padStart(16, "0");
}

/** Basic exit reasons (Intel SDM vol. 3, table C-1) that have no handler. */
export const EXIT_REASON = {
  "triple-fault": 2,
  "task-switch": 9,
  getsec: 11,
  invd: 13,
  vmcall: 18,
  vmxon: 27,
} as const;

export type UnhandledExit = keyof typeof EXIT_REASON;

/** The lines for an exit without a handler. None of these exits has a qualification or an event in delivery. */
export function unhandledExitLines(exit: UnhandledExit, qualification = 0): string[] {
  return [
    `FATAL: Unhandled VM-Exit, reason ${EXIT_REASON[exit]}`,
    `qualification ${qualification.toString(16)}`,
    "vectoring info: 0 interrupt info: 0",
  ];
}

/** The register block. */
export function registerLines(registers: Registers): string[] {
  const r = (name: Parameters<Registers["get"]>[0]) => `0x${hex16(registers.get(name))}`;
  const cs = registers.segment("cs");
  const longModeActive = (registers.get("efer") >> 10n) & 1n;
  return [
    `RIP: ${r("rip")} RSP: ${r("rsp")} FLAGS: ${registers.get("rflags").toString(16)}`,
    `RAX: ${r("rax")} RBX: ${r("rbx")} RCX: ${r("rcx")}`,
    `RDX: ${r("rdx")} RSI: ${r("rsi")} RDI: ${r("rdi")}`,
    `CS: ${cs.selector.toString(16)} BASE: 0x${hex16(cs.base)} AR-BYTES: ${cs.attributes.toString(16)} EFER.LMA ${longModeActive}`,
    `CR0: ${r("cr0")} CR3: ${r("cr3")} CR4: ${r("cr4")}`,
    `EFER: ${r("efer")}`,
  ];
}

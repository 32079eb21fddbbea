import type { Decoded } from "../x86/decoder.ts";
import type { Row } from "../x86/row.ts";

/** Why a row's instruction cannot be run in user mode, and which test covers it instead. */
export interface NotRun {
  readonly reason: string;
  readonly coveredBy: string;
}

const KERNEL = "enters the host's kernel";
const HYPERVISOR = "enters what the host runs on";
const EMULATED = "with CR4.UMIP the host's kernel answers in its place";
const PROGRAMS = "src/engine/x86/system.test.ts";

const NOT_RUN: Readonly<Record<string, NotRun>> = {
  SYSCALL: { reason: KERNEL, coveredBy: PROGRAMS },
  SYSENTER: { reason: KERNEL, coveredBy: PROGRAMS },
  VMCALL: { reason: HYPERVISOR, coveredBy: "src/engine/x86/exits.test.ts" },
  VMMCALL: { reason: HYPERVISOR, coveredBy: "src/engine/x86/exits.test.ts" },
  SGDT: { reason: EMULATED, coveredBy: PROGRAMS },
  SIDT: { reason: EMULATED, coveredBy: PROGRAMS },
  SLDT: { reason: EMULATED, coveredBy: PROGRAMS },
  STR: { reason: EMULATED, coveredBy: PROGRAMS },
  SMSW: { reason: EMULATED, coveredBy: PROGRAMS },
};

/** undefined: it can be run. */
export function whyNotRun(row: Row): NotRun | undefined {
  return NOT_RUN[row.mnemonic];
}

const PRIVILEGED = "src/engine/x86/privileged.test.ts";
const EXITS = "src/engine/x86/exits.test.ts";

/** Of what user mode is only refused: the test of what it does. */
const REFUSED: Readonly<Record<string, string>> = {
  ...{ LGDT: PROGRAMS, LIDT: PROGRAMS, LLDT: PROGRAMS, LTR: PROGRAMS, CLTS: PROGRAMS },
  ...{ RDMSR: PROGRAMS, WRMSR: PROGRAMS, SWAPGS: PROGRAMS, INVLPG: PROGRAMS, HLT: PROGRAMS },
  ...{ CLI: PROGRAMS, STI: PROGRAMS, SYSRET: PROGRAMS, SYSEXIT: PROGRAMS, XSETBV: PROGRAMS },
  ...{ CLAC: PROGRAMS, STAC: PROGRAMS, IN: EXITS, OUT: EXITS, INS: EXITS, OUTS: EXITS },
  ...{ LMSW: PRIVILEGED, INVPCID: PRIVILEGED, MONITOR: PRIVILEGED, MWAIT: PRIVILEGED },
  ...{ INVD: "src/hypervisor/moderation.test.ts", WBINVD: "src/hypervisor/moderation.test.ts" },
};

/** The test of what a row does where it is allowed, if user mode only sees it refused. */
export function whereAllowed({ mnemonic, operands }: Row): string | undefined {
  const isSpecial = operands.some(({ method }) => method === "C" || method === "D");
  return isSpecial ? PROGRAMS : REFUSED[mnemonic];
}

/** Whether this encoding of a row can be run, and does the same on every vendor's CPU. */
export function canRun(
  { row, operandBits, operands }: Decoded,
  code: readonly number[],
  bits: number,
): boolean {
  if (whyNotRun(row) !== undefined) return false;
  // Near branches ignore 66 in 64-bit mode on Intel's CPUs (SDM vol. 2, Jcc) and heed it on AMD's.
  if (bits === 64 && row.options.force64 && code.slice(0, -1).includes(0x66)) return false;
  // Far pointers of 16 + 64 bits are Intel's alone (APM vol. 3: JMP far, CALL far, LSS, ...).
  if (bits === 64 && operandBits === 64 && row.operands.some(({ size }) => size === "p"))
    return false;
  // F2 and F3 before LOOPcc are reserved (SDM vol. 2, 2.1.1); AMD's CPUs make something of them.
  if (row.mnemonic.startsWith("LOOP") && (code.includes(0xf2) || code.includes(0xf3))) return false;
  // The mask of components is in EDX:EAX, which must not be an address.
  if (/^XSAVE|^XRSTOR/.test(row.mnemonic))
    return operands.every(
      (operand) =>
        operand.kind !== "memory" || [operand.base, operand.index].every((k) => k !== 0 && k !== 2),
    );
  return true;
}

/**
 * Whether bytes that the engine knows no instruction for may be one on a newer or other vendor's
 * CPU: then #UD cannot be expected of the host.
 */
export function isBeyondTheEngine(bytes: readonly number[]): boolean {
  const at = bytes.indexOf(0x0f);
  if (at < 0) return false;
  const opcode = bytes[at + 1] as number;
  // AMD's CR8 in other modes than 64-bit: LOCK MOV CR0 (APM vol. 3)
  if ((opcode === 0x20 || opcode === 0x22) && bytes.includes(0xf0)) return true;
  // AMD's CPUs access the memory of LOCK VERR, VERW, ... before they raise #UD
  if (opcode === 0 && bytes.includes(0xf0)) return true;
  // RDPID
  if (opcode === 0xc7 && bytes.includes(0xf3)) return true;
  // AMD's SSE4a: EXTRQ, INSERTQ, MOVNTSS, MOVNTSD
  if (opcode === 0x78 || opcode === 0x79 || opcode === 0x2b) return true;
  return false;
}

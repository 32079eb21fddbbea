import { EFLAGS_IF, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM } from "./control-bits.ts";
import type { Core } from "./core.ts";
import type { Descriptor } from "./descriptor.ts";
import type { EventSource } from "./interrupts.ts";
import { EFLAGS } from "./state.ts";

/** What delivery through an IDT gate does alike in protected and IA-32e mode. */

/** EXT bit of error codes: the fault is not the program's own. */
export function externalBit(source: EventSource): 0 | 1 {
  return source === "software" || source === "int3-into" ? 0 : 1;
}

/** Error code that names an IDT entry. */
export function gateCode(vector: number, external: number): number {
  return (vector << 3) | 2 | external;
}

/** Checks of a gate whose type is right: privilege of INT n, INT3 and INTO, then presence. */
export function checkGate(core: Core, gate: Descriptor, vector: number, source: EventSource): void {
  const external = externalBit(source);
  if (external === 0 && gate.privilege < core.cpl) core.generalProtection(gateCode(vector, 0));
  if (!gate.isPresent) core.raiseWithCode(11, gateCode(vector, external));
}

/** Faults, as opposed to traps, aborts and interrupts (Intel SDM vol. 3, table 6-1). */
const FAULTS = [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19, 20, 21].reduce(
  (bits, vector) => bits | (1 << vector),
  0,
);

export function isFault(vector: number): boolean {
  return vector < 32 && ((FAULTS >>> vector) & 1) !== 0;
}

/** Whether RF is set in the saved RFLAGS, so that an instruction breakpoint is not hit again. */
export function savesResume(vector: number, source: EventSource): boolean {
  return source === "exception" && isFault(vector);
}

/** RFLAGS to be saved. */
export function savedFlags(core: Core, vector: number, source: EventSource): number {
  const flags = core.rflags();
  return savesResume(vector, source) ? flags | EFLAGS_RF : flags;
}

export const CLEARED_BY_TRAP = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
export const CLEARED_BY_INTERRUPT = CLEARED_BY_TRAP | EFLAGS_IF;

/** RFLAGS in the handler; bit 0 of a gate's type tells trap from interrupt gates. */
export function enterHandlerFlags(core: Core, gate: Descriptor): void {
  const cleared = gate.type & 1 ? CLEARED_BY_TRAP : CLEARED_BY_INTERRUPT;
  core.setSystemFlags(core.get(EFLAGS) & ~cleared);
}

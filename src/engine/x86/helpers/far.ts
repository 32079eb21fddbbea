import type { Core } from "../core.ts";
import { noteDebugCauses } from "../debug.ts";
import { farReturn } from "../far-return.ts";
import { farCall, farJump } from "../far-transfer.ts";
import { interruptReturn } from "../interrupt-return.ts";
import { deliverSoftware, type EventSource } from "../interrupts.ts";
import { nextRip } from "../position.ts";
import { Leave, VALUE } from "../state.ts";
import { syscall, sysenter, sysexit, sysret } from "../system-calls.ts";
import type { Helpers } from "./helpers.ts";

type Bytes = 2 | 4 | 8;

/** RIP is the target. A trap of the task that was switched to comes first. */
function transferred(core: Core): number {
  return core.debugPending === 0 ? Leave.none : Leave.dispatch;
}

function interrupt(core: Core, record: number, source: EventSource): number {
  deliverSoftware(core, core.get(VALUE), source, nextRip(core, record));
  return transferred(core);
}

/** SYSENTER and SYSEXIT do not exist in real mode: #GP(0). */
function checkProtection(core: Core): void {
  if (!core.isProtected && !core.isVirtual8086) core.generalProtection();
}

/** Rows: rows/far.ts. */
export const FAR_HELPERS: Helpers = {
  far_jump: (core, record) => {
    farJump(core, core.get(VALUE + 8) & 0xffff, core.address(VALUE), nextRip(core, record));
    return transferred(core);
  },

  far_call: (core, record) => {
    const word = core.get(VALUE + 8);
    farCall(core, word & 0xffff, core.address(VALUE), (word >> 16) as Bytes, nextRip(core, record));
    return transferred(core);
  },

  far_return: (core) => {
    farReturn(core, core.get(VALUE) as Bytes, core.get(VALUE + 8));
    return transferred(core);
  },

  interrupt_return: (core, record) => {
    interruptReturn(core, core.get(VALUE) as Bytes, nextRip(core, record));
    return transferred(core);
  },

  software_interrupt: (core, record) => interrupt(core, record, "software"),
  breakpoint: (core, record) => interrupt(core, record, "int3-into"),
  icebp: (core, record) => {
    const leave = interrupt(core, record, "icebp");
    // it is a #DB itself: what waited since MOV SS comes with it
    if (core.debugPending !== 0) noteDebugCauses(core);
    return leave;
  },

  syscall: (core, record) => {
    syscall(core, nextRip(core, record));
    return transferred(core);
  },

  sysret: (core) => {
    sysret(core, core.get(VALUE) === 64);
    return transferred(core);
  },

  sysenter: (core) => {
    checkProtection(core);
    sysenter(core);
    return transferred(core);
  },

  sysexit: (core) => {
    checkProtection(core);
    sysexit(core, core.get(VALUE) === 64);
    return transferred(core);
  },
};

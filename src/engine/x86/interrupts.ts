import { CR0_PE } from "./control-bits.ts";
import { ABANDON, type Core } from "./core.ts";
import { externalBit, savesResume } from "./interrupt-gate.ts";
import { deliverLong } from "./interrupt-long.ts";
import { deliverProtected } from "./interrupt-protected.ts";
import { BY_FAULT, BY_INSTRUCTION } from "./interrupt-quick.ts";
import { deliverReal } from "./interrupt-real.ts";
import { CR0, ERROR_CODE, Leave, RIP, VECTOR } from "./state.ts";

/**
 * What an interrupt or exception comes from: it decides about privilege
 * checks, the EXT bit of error codes, and RF of the saved flags.
 * `software` is INT n; `int3-into` INT3 and INTO; `icebp` INT1.
 */
export type EventSource = "exception" | "software" | "int3-into" | "icebp" | "external" | "nmi";

/**
 * - `delivered`: the handler's first instruction is next.
 * - `triple-fault`: nothing changed; RIP is at the instruction that led to it.
 * - `stopped`: the moderator said stop to an access the delivery needs; nothing changed.
 */
export type Delivery = "delivered" | "triple-fault" | "stopped";

const DOUBLE_FAULT = 8;
const PAGE_FAULT = 14;

/** Contributory exceptions: #DE, #TS, #NP, #SS, #GP. */
function isContributory(vector: number): boolean {
  return vector === 0 || (vector >= 10 && vector <= 13);
}

/** Whether `second`, raised while delivering `first`, makes a double fault (Intel SDM vol. 3, table 6-5). */
function isDoubleFault(first: number, second: number): boolean {
  if (isContributory(first)) return isContributory(second);
  return first === PAGE_FAULT && (isContributory(second) || second === PAGE_FAULT);
}

/**
 * Deliver an interrupt or exception through the IVT or IDT (Intel SDM vol. 3,
 * chapter 6), and those that arise meanwhile. RIP in the state is the return
 * address: the faulting instruction, or the next one for traps and interrupts.
 *
 * @param errorCode pushed if the mode pushes any; -1 for none
 */
export function deliver(
  core: Core,
  vector: number,
  source: EventSource,
  errorCode: number,
): Delivery {
  for (;;) {
    try {
      deliverOnce(core, vector, source, errorCode);
      return "delivered";
    } catch (problem) {
      if (problem !== ABANDON) throw problem;
      // A fault of a task just entered: RIP is its own, as after any delivery.
      core.ripIsArchitectural = false;
      if (core.abandoned() === Leave.stopped) return "stopped";
    }
    const second = core.get(VECTOR);
    const wasException = source === "exception";
    if (
      wasException &&
      vector === DOUBLE_FAULT &&
      (isContributory(second) || second === PAGE_FAULT)
    )
      return "triple-fault";
    source = "exception";
    if (wasException && isDoubleFault(vector, second)) {
      vector = DOUBLE_FAULT;
      errorCode = 0;
    } else {
      vector = second;
      errorCode = core.get(ERROR_CODE);
    }
  }
}

/**
 * INT n, INT3, INTO, INT1: deliver as part of an instruction. A fault is
 * raised as the instruction's own, with RIP as it was.
 */
export function deliverSoftware(
  core: Core,
  vector: number,
  source: EventSource,
  returnAddress: number,
): void {
  const before = core.address(RIP);
  core.setAddress(RIP, returnAddress);
  try {
    deliverOnce(core, vector, source, -1);
    core.singleStep = false;
  } catch (problem) {
    // After a task switch a fault belongs to the new task.
    if (!core.ripIsArchitectural) core.setAddress(RIP, before);
    throw problem;
  }
}

function deliverOnce(core: Core, vector: number, source: EventSource, errorCode: number): void {
  if (!(core.get(CR0) & CR0_PE)) deliverReal(core, vector);
  else if (core.isLong) {
    const permission = externalBit(source) === 0 ? BY_INSTRUCTION : 0;
    const cause = savesResume(vector, source) ? BY_FAULT : permission;
    if (!core.deliverQuickly(vector, errorCode, cause))
      deliverLong(core, vector, source, errorCode);
  } else deliverProtected(core, vector, source, errorCode);
}

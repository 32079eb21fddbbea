import { readSystem } from "./access.ts";
import { EFLAGS_AC, EFLAGS_IF, EFLAGS_RF, EFLAGS_TF } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { setRealMode } from "./segments.ts";
import {
  CS,
  IDTR_BASE,
  IDTR_LIMIT,
  RIP,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  segmentField,
} from "./state.ts";
import { TransferStack } from "./transfer-stack.ts";

const stack = new TransferStack();

/** Deliver through the interrupt vector table (Intel SDM vol. 3, 21.1.4). There are no error codes. */
export function deliverReal(core: Core, vector: number): void {
  if (vector * 4 + 3 > core.get(IDTR_LIMIT)) core.generalProtection(vector * 8 + 2);
  const entry = (core.address(IDTR_BASE) + vector * 4) >>> 0;
  const offset = readSystem(core, entry, 2);
  const selector = readSystem(core, (entry + 2) >>> 0, 2);
  stack.useCurrent(core, 0);
  stack.push(core, 2, core.rflags());
  stack.push(core, 2, core.get(segmentField(CS, SEGMENT_SELECTOR)));
  stack.push(core, 2, core.get(RIP));
  if (offset > core.get(segmentField(CS, SEGMENT_LIMIT))) core.generalProtection();
  stack.commit(core);
  core.setRflags(core.rflags() & ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF));
  setRealMode(core, CS, selector);
  core.setAddress(RIP, offset);
}

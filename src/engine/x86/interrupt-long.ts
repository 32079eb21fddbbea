import { isCanonical } from "./access.ts";
import type { Core } from "./core.ts";
import {
  Descriptor,
  isNullSelector,
  TYPE_INTERRUPT_GATE_32,
  TYPE_TRAP_GATE_32,
} from "./descriptor.ts";
import {
  checkGate,
  enterHandlerFlags,
  externalBit,
  gateCode,
  savedFlags,
} from "./interrupt-gate.ts";
import type { EventSource } from "./interrupts.ts";
import { setCpl, setFromDescriptor } from "./segments.ts";
import { CS, IDTR_BASE, IDTR_LIMIT, RIP, SEGMENT_SELECTOR, SS, segmentField } from "./state.ts";
import { RSP, TransferStack } from "./transfer-stack.ts";

/** V8 folds no imported constants. */
const INSTRUCTION_POINTER = RIP;
const STACK_POINTER = RSP;
const TABLE_BASE = IDTR_BASE;
const TABLE_LIMIT = IDTR_LIMIT;
const CODE_SELECTOR = segmentField(CS, SEGMENT_SELECTOR);
const STACK_SELECTOR = segmentField(SS, SEGMENT_SELECTOR);

const gate = new Descriptor();
const code = new Descriptor();
const stack = new TransferStack();

/** Deliver through a 16-byte gate of the IDT (Intel SDM vol. 3, 6.14). */
export function deliverLong(
  core: Core,
  vector: number,
  source: EventSource,
  errorCode: number,
): void {
  const external = externalBit(source);
  if (vector * 16 + 15 > core.get(TABLE_LIMIT)) core.generalProtection(gateCode(vector, external));
  gate.readAt(core, core.address(TABLE_BASE) + vector * 16);
  gate.readUpper(core);
  if (!gate.isSystem || !(gate.type === TYPE_INTERRUPT_GATE_32 || gate.type === TYPE_TRAP_GATE_32))
    core.generalProtection(gateCode(vector, external));
  checkGate(core, gate, vector, source);

  const cpl = core.cpl;
  const selector = gate.gateSelector;
  const selectorCode = (selector & 0xfffc) | external;
  if (isNullSelector(selector)) core.generalProtection(external);
  if (!code.read(core, selector) || !code.isCode || code.privilege > cpl)
    core.generalProtection(selectorCode);
  if (!code.isLong || code.isBig) core.generalProtection(selectorCode);
  if (!code.isPresent) core.raiseWithCode(11, selectorCode);
  const privilege = code.isConforming ? cpl : code.privilege;
  // Bits 2:0 of byte 4: an entry of the interrupt stack table.
  const ist = gate.hi & 7;
  stack.use64(core, ist !== 0 ? ist + 3 : privilege < cpl ? privilege : -1, privilege, external);
  stack.align();
  stack.push(core, 8, core.get(STACK_SELECTOR));
  stack.push64(core, STACK_POINTER);
  stack.push(core, 8, savedFlags(core, vector, source));
  stack.push(core, 8, core.get(CODE_SELECTOR));
  stack.push64(core, INSTRUCTION_POINTER);
  if (errorCode >= 0) stack.push(core, 8, errorCode);
  const target = gate.gateOffset64;
  if (!isCanonical(target)) core.generalProtection(external);
  code.markAccessed(core);

  enterHandlerFlags(core, gate);
  setFromDescriptor(core, CS, (selector & 0xfffc) | privilege, code);
  setCpl(core, privilege);
  stack.commit(core);
  core.setAddress(INSTRUCTION_POINTER, target);
}

import type { Core } from "./core.ts";
import {
  Descriptor,
  isNullSelector,
  TYPE_INTERRUPT_GATE_16,
  TYPE_INTERRUPT_GATE_32,
  TYPE_TASK_GATE,
  TYPE_TRAP_GATE_16,
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
import { setCpl, setFromDescriptor, setNull } from "./segments.ts";
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  IDTR_BASE,
  IDTR_LIMIT,
  RIP,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
} from "./state.ts";
import { switchTask } from "./task-switch.ts";
import { RSP, TransferStack } from "./transfer-stack.ts";

const gate = new Descriptor();
const code = new Descriptor();
const stack = new TransferStack();
/** Order in which virtual-8086 mode saves them. */
const SAVED_SEGMENTS = [GS, FS, DS, ES];

/** Deliver through an 8-byte gate of the IDT (Intel SDM vol. 2, INT n; vol. 3, 6.12). */
export function deliverProtected(
  core: Core,
  vector: number,
  source: EventSource,
  errorCode: number,
): void {
  const external = externalBit(source);
  // Without VME, INT n in virtual-8086 mode needs IOPL 3.
  if (source === "software" && core.isVirtual8086 && core.iopl < 3) core.generalProtection();
  if (vector * 8 + 7 > core.get(IDTR_LIMIT)) core.generalProtection(gateCode(vector, external));
  gate.readAt(core, (core.address(IDTR_BASE) + vector * 8) >>> 0);
  const wide = gate.type === TYPE_INTERRUPT_GATE_32 || gate.type === TYPE_TRAP_GATE_32;
  const narrow = gate.type === TYPE_INTERRUPT_GATE_16 || gate.type === TYPE_TRAP_GATE_16;
  if (!gate.isSystem || !(wide || narrow || gate.type === TYPE_TASK_GATE))
    core.generalProtection(gateCode(vector, external));
  checkGate(core, gate, vector, source);
  if (gate.type === TYPE_TASK_GATE) {
    switchTask(core, gate.gateSelector, {
      cause: "gate",
      returnAddress: core.address(RIP),
      external,
      errorCode,
    });
    return;
  }

  const cpl = core.cpl;
  const selector = gate.gateSelector;
  const selectorCode = (selector & 0xfffc) | external;
  if (isNullSelector(selector)) core.generalProtection(external);
  if (!code.read(core, selector) || !code.isCode || code.privilege > cpl)
    core.generalProtection(selectorCode);
  if (!code.isPresent) core.raiseWithCode(11, selectorCode);
  const fromVirtual8086 = core.isVirtual8086;
  if (fromVirtual8086 && (code.isConforming || code.privilege !== 0))
    core.generalProtection(selectorCode);
  const privilege = code.isConforming ? cpl : code.privilege;
  const inner = privilege < cpl;

  const size = wide ? 4 : 2;
  if (inner) stack.useTask(core, privilege, external);
  else stack.useCurrent(core, external);
  if (fromVirtual8086)
    for (const segment of SAVED_SEGMENTS)
      stack.push(core, size, core.get(segmentField(segment, SEGMENT_SELECTOR)));
  if (inner) {
    stack.push(core, size, core.get(segmentField(SS, SEGMENT_SELECTOR)));
    stack.push(core, size, core.get(RSP));
  }
  stack.push(core, size, savedFlags(core, vector, source));
  stack.push(core, size, core.get(segmentField(CS, SEGMENT_SELECTOR)));
  stack.push(core, size, core.get(RIP));
  if (errorCode >= 0) stack.push(core, size, errorCode);
  const target = wide ? gate.gateOffset : gate.gateOffset & 0xffff;
  if (target > code.limit) core.generalProtection(external);
  code.markAccessed(core);

  enterHandlerFlags(core, gate);
  if (fromVirtual8086) for (const segment of SAVED_SEGMENTS) setNull(core, segment, 0);
  setFromDescriptor(core, CS, (selector & 0xfffc) | privilege, code);
  setCpl(core, privilege);
  stack.commit(core);
  core.setAddress(RIP, target);
}

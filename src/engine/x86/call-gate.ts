import { checkCodeOffset, checkPresent, readCodeSegment } from "./code-segment.ts";
import type { Core } from "./core.ts";
import { Descriptor, TYPE_CALL_GATE_32 } from "./descriptor.ts";
import { setCpl, setFromDescriptor } from "./segments.ts";
import { CS, RIP, SEGMENT_SELECTOR, SS, segmentField } from "./state.ts";
import { peek, RSP, TransferStack } from "./transfer-stack.ts";

/** Far JMP and CALL through a call gate (Intel SDM vol. 3, 5.8). */

const code = new Descriptor();
const stack = new TransferStack();

/** Checks of the gate itself; reads the code segment it names. In IA-32e mode a gate has 16 bytes. */
function openGate(core: Core, selector: number, gate: Descriptor): void {
  const gateCode = selector & 0xfffc;
  if (gate.privilege < core.cpl || gate.privilege < (selector & 3))
    core.generalProtection(gateCode);
  if (core.isLong) {
    if (!gate.readSystem(core, selector)) core.generalProtection(gateCode);
    if (gate.upperType(core) !== 0) core.generalProtection(gateCode);
  }
  checkPresent(core, selector, gate);
  const target = gate.gateSelector;
  readCodeSegment(core, target, code);
  if (code.privilege > core.cpl || (core.isLong && (!code.isLong || code.isBig)))
    core.generalProtection(target & 0xfffc);
}

function gateTarget(core: Core, gate: Descriptor): number {
  if (core.isLong) return gate.gateOffset64;
  return gate.type === TYPE_CALL_GATE_32 ? gate.gateOffset : gate.gateOffset & 0xffff;
}

function enter(core: Core, gate: Descriptor, privilege: number): void {
  setFromDescriptor(core, CS, (gate.gateSelector & 0xfffc) | privilege, code);
  if (privilege !== core.cpl) setCpl(core, privilege);
}

export function jumpThroughGate(core: Core, selector: number, gate: Descriptor): void {
  openGate(core, selector, gate);
  const target = gate.gateSelector;
  if (!code.isConforming && code.privilege !== core.cpl) core.generalProtection(target & 0xfffc);
  checkPresent(core, target, code);
  const offset = gateTarget(core, gate);
  checkCodeOffset(core, code, offset);
  code.markAccessed(core);
  enter(core, gate, core.cpl);
  core.setAddress(RIP, offset);
}

export function callThroughGate(
  core: Core,
  selector: number,
  gate: Descriptor,
  returnAddress: number,
): void {
  openGate(core, selector, gate);
  checkPresent(core, gate.gateSelector, code);
  const { cpl } = core;
  const bytes = core.isLong ? 8 : gate.type === TYPE_CALL_GATE_32 ? 4 : 2;
  const privilege = code.isConforming ? cpl : code.privilege;
  if (privilege === cpl) stack.useCurrent(core, 0);
  else {
    if (bytes === 8) stack.use64(core, privilege, privilege, 0);
    else stack.useTask(core, privilege, 0);
    stack.push(core, bytes, core.get(segmentField(SS, SEGMENT_SELECTOR)));
    if (bytes === 8) stack.push64(core, RSP);
    else {
      stack.push(core, bytes, core.get(RSP));
      for (let k = (gate.hi & 31) - 1; k >= 0; k--)
        stack.push(core, bytes, peek(core, k * bytes, bytes));
    }
  }
  stack.push(core, bytes, core.get(segmentField(CS, SEGMENT_SELECTOR)));
  stack.push(core, bytes, returnAddress);
  const offset = gateTarget(core, gate);
  checkCodeOffset(core, code, offset);
  code.markAccessed(core);
  enter(core, gate, privilege);
  stack.commit(core);
  core.setAddress(RIP, offset);
}

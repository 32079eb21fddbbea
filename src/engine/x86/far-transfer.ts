import { callThroughGate, jumpThroughGate } from "./call-gate.ts";
import { checkCodeOffset, checkCodeSize, checkPresent } from "./code-segment.ts";
import type { Core } from "./core.ts";
import {
  Descriptor,
  isNullSelector,
  TYPE_CALL_GATE_16,
  TYPE_CALL_GATE_32,
  TYPE_TASK_GATE,
  TYPE_TSS_16,
  TYPE_TSS_32,
} from "./descriptor.ts";
import { setFromDescriptor, setRealMode, setVirtual8086 } from "./segments.ts";
import { CS, RIP, SEGMENT_LIMIT, SEGMENT_SELECTOR, segmentField } from "./state.ts";
import { switchTask } from "./task-switch.ts";
import { TransferStack } from "./transfer-stack.ts";

const target = new Descriptor();
const stack = new TransferStack();

/** Far JMP (Intel SDM vol. 2, JMP). */
export function farJump(core: Core, selector: number, offset: number, returnAddress: number): void {
  if (!core.isProtected) {
    enterRealMode(core, selector, offset);
    return;
  }
  readTarget(core, selector);
  if (target.isSystem) {
    const { type } = target;
    if (isCallGate(core, type)) jumpThroughGate(core, selector, target);
    else startTask(core, selector, "jump", returnAddress);
    return;
  }
  checkDirectTarget(core, selector, offset);
  enterCode(core, selector, offset);
}

/**
 * Far CALL (Intel SDM vol. 2, CALL).
 * @param bytes operand size: what CS and RIP take on the stack each
 */
export function farCall(
  core: Core,
  selector: number,
  offset: number,
  bytes: 2 | 4 | 8,
  returnAddress: number,
): void {
  if (!core.isProtected) {
    pushReturn(core, bytes, returnAddress);
    checkRealOffset(core, offset);
    stack.commit(core);
    enterRealMode(core, selector, offset);
    return;
  }
  readTarget(core, selector);
  if (target.isSystem) {
    const { type } = target;
    if (isCallGate(core, type)) callThroughGate(core, selector, target, returnAddress);
    else startTask(core, selector, "call", returnAddress);
    return;
  }
  checkDirectTarget(core, selector, offset);
  pushReturn(core, bytes, returnAddress);
  stack.commit(core);
  enterCode(core, selector, offset);
}

function readTarget(core: Core, selector: number): void {
  if (isNullSelector(selector)) core.generalProtection();
  if (!target.read(core, selector)) core.generalProtection(selector & 0xfffc);
}

function isCallGate(core: Core, type: number): boolean {
  return type === TYPE_CALL_GATE_32 || (type === TYPE_CALL_GATE_16 && !core.isLong);
}

function checkDirectTarget(core: Core, selector: number, offset: number): void {
  const code = selector & 0xfffc;
  if (!target.isCode) core.generalProtection(code);
  checkCodeSize(core, selector, target);
  const { cpl } = core;
  if (
    target.isConforming ? target.privilege > cpl : (selector & 3) > cpl || target.privilege !== cpl
  )
    core.generalProtection(code);
  checkPresent(core, selector, target);
  checkCodeOffset(core, target, offset);
  target.markAccessed(core);
}

function pushReturn(core: Core, bytes: 2 | 4 | 8, returnAddress: number): void {
  stack.useCurrent(core, 0);
  stack.push(core, bytes, core.get(segmentField(CS, SEGMENT_SELECTOR)));
  stack.push(core, bytes, returnAddress);
}

function enterCode(core: Core, selector: number, offset: number): void {
  setFromDescriptor(core, CS, (selector & 0xfffc) | core.cpl, target);
  core.setAddress(RIP, offset);
}

function checkRealOffset(core: Core, offset: number): void {
  if (offset > core.get(segmentField(CS, SEGMENT_LIMIT))) core.generalProtection();
}

function enterRealMode(core: Core, selector: number, offset: number): void {
  checkRealOffset(core, offset);
  if (core.isVirtual8086) setVirtual8086(core, CS, selector);
  else setRealMode(core, CS, selector);
  core.setAddress(RIP, offset);
}

/** JMP or CALL to a TSS or through a task gate. There are no tasks in IA-32e mode. */
function startTask(
  core: Core,
  selector: number,
  cause: "jump" | "call",
  returnAddress: number,
): void {
  const code = selector & 0xfffc;
  const { type } = target;
  const isGate = type === TYPE_TASK_GATE;
  if (core.isLong || !(isGate || type === TYPE_TSS_16 || type === TYPE_TSS_32))
    core.generalProtection(code);
  if (target.privilege < core.cpl || target.privilege < (selector & 3))
    core.generalProtection(code);
  checkPresent(core, selector, target);
  switchTask(core, isGate ? target.gateSelector : selector, {
    cause,
    returnAddress,
    external: 0,
    errorCode: -1,
  });
}

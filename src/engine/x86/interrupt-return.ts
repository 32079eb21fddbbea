import { readSystem } from "./access.ts";
import {
  ARITHMETIC_FLAGS,
  EFLAGS_AC,
  EFLAGS_DF,
  EFLAGS_ID,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VIF,
  EFLAGS_VIP,
  EFLAGS_VM,
} from "./control-bits.ts";
import type { Core } from "./core.ts";
import {
  checkReturnTarget,
  commitOuter,
  commitSame,
  readOuterStack,
  returnReal,
} from "./far-return.ts";
import { setCpl, setVirtual8086 } from "./segments.ts";
import { CS, DS, EFLAGS, ES, FS, GS, RIP, SEGMENT_BASE, SS, segmentField, TR } from "./state.ts";
import { switchTask } from "./task-switch.ts";
import { dropStack, peek, peekLow, setStackPointer } from "./transfer-stack.ts";

/** Flags that POPF and IRET always load. */
export const BASIC_FLAGS = ARITHMETIC_FLAGS | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT;

/** Load a popped RFLAGS image: only the bits in `mask` change. */
export function loadFlags(core: Core, image: number, mask: number): void {
  core.setRflags((core.rflags() & ~mask) | (image & mask));
}

/** IRET, IRETD, IRETQ (Intel SDM vol. 2, IRET). `returnAddress` is that of a task that is left. */
export function interruptReturn(core: Core, bytes: 2 | 4 | 8, returnAddress: number): void {
  core.nmiBlocked = false;
  if (!core.isProtected) {
    if (core.isVirtual8086 && core.iopl < 3) core.generalProtection();
    returnFromReal(core, bytes as 2 | 4);
    return;
  }
  if (core.get(EFLAGS) & EFLAGS_NT) {
    if (core.isLong) core.generalProtection();
    const link = readSystem(core, core.address(segmentField(TR, SEGMENT_BASE)), 2);
    switchTask(core, link, { cause: "return", returnAddress, external: 0, errorCode: -1 });
    return;
  }
  const offset = peek(core, 0, bytes);
  const selector = peekLow(core, bytes, bytes) & 0xffff;
  const image = peekLow(core, 2 * bytes, bytes);
  if (image & EFLAGS_VM && bytes === 4 && core.cpl === 0 && !core.isLong) {
    returnToVirtual8086(core, selector, offset, image);
    return;
  }
  const mask = flagsMask(core, bytes);
  checkReturnTarget(core, selector, offset);
  // 64-bit mode always goes back to the saved stack.
  if ((selector & 3) !== core.cpl || core.is64) {
    readOuterStack(core, selector, 3 * bytes, bytes);
    commitOuter(core, selector, 0);
  } else {
    dropStack(core, 3 * bytes);
    commitSame(core, selector);
  }
  loadFlags(core, image, mask);
  core.setAddress(RIP, offset);
}

/** What the present privilege level lets IRET change. */
function flagsMask(core: Core, bytes: number): number {
  let mask = BASIC_FLAGS;
  if (bytes > 2) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
  if (core.cpl <= core.iopl) mask |= EFLAGS_IF;
  if (core.cpl === 0) mask |= EFLAGS_IOPL | (bytes > 2 ? EFLAGS_VIF | EFLAGS_VIP : 0);
  return mask;
}

function returnFromReal(core: Core, bytes: 2 | 4): void {
  const offset = peek(core, 0, bytes);
  const selector = peekLow(core, bytes, bytes) & 0xffff;
  const image = peekLow(core, 2 * bytes, bytes);
  let mask = BASIC_FLAGS | EFLAGS_IF;
  if (bytes === 4) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
  if (!core.isVirtual8086) mask |= EFLAGS_IOPL;
  returnReal(core, selector, offset);
  dropStack(core, 3 * bytes);
  loadFlags(core, image, mask);
}

/** Order of the segment registers above SS:ESP on the stack. */
const SAVED_SEGMENTS = [ES, DS, FS, GS];
const saved = [0, 0, 0, 0];

function returnToVirtual8086(core: Core, selector: number, offset: number, image: number): void {
  const pointer = peek(core, 12, 4);
  const stackSelector = peek(core, 16, 4) & 0xffff;
  for (let k = 0; k < 4; k++) saved[k] = peek(core, 20 + 4 * k, 4) & 0xffff;
  core.setRflags(image);
  setVirtual8086(core, CS, selector);
  setVirtual8086(core, SS, stackSelector);
  for (let k = 0; k < 4; k++) setVirtual8086(core, SAVED_SEGMENTS[k], saved[k]);
  setCpl(core, 3);
  setStackPointer(core, pointer, 32);
  core.setAddress(RIP, offset & 0xffff);
}

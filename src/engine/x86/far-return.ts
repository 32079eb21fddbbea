import { lastRead } from "./access.ts";
import { checkCodeOffset, checkCodeSize, checkPresent, readCodeSegment } from "./code-segment.ts";
import type { Core } from "./core.ts";
import {
  ATTRIBUTE_CODE,
  ATTRIBUTE_CONFORMING,
  ATTRIBUTE_UNUSABLE,
  Descriptor,
  isNullSelector,
} from "./descriptor.ts";
import { stackBits } from "./mode.ts";
import {
  makeUnusable,
  setCpl,
  setFromDescriptor,
  setNull,
  setRealMode,
  setVirtual8086,
} from "./segments.ts";
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  MODE,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
} from "./state.ts";
import { dropStack, peek, peekLow, RSP, setStackPointer } from "./transfer-stack.ts";

const code = new Descriptor();
const stackSegment = new Descriptor();
const DATA_SEGMENTS = [ES, DS, FS, GS];

/** RETF, with `extra` bytes of parameters dropped (Intel SDM vol. 2, RET). */
export function farReturn(core: Core, bytes: 2 | 4 | 8, extra: number): void {
  const offset = peek(core, 0, bytes);
  const selector = peekLow(core, bytes, bytes) & 0xffff;
  if (!core.isProtected) {
    returnReal(core, selector, offset);
    dropStack(core, 2 * bytes + extra);
    return;
  }
  checkReturnTarget(core, selector, offset);
  if ((selector & 3) === core.cpl) {
    dropStack(core, 2 * bytes + extra);
    setFromDescriptor(core, CS, selector, code);
  } else {
    readOuterStack(core, selector, 2 * bytes + extra, bytes);
    commitOuter(core, selector, extra);
  }
  core.setAddress(RIP, offset);
}

/** Go to an address in real or virtual-8086 mode. */
export function returnReal(core: Core, selector: number, offset: number): void {
  if (offset > core.get(segmentField(CS, SEGMENT_LIMIT))) core.generalProtection();
  if (core.isVirtual8086) setVirtual8086(core, CS, selector);
  else setRealMode(core, CS, selector);
  core.setAddress(RIP, offset);
}

/** Checks of the code segment that RETF and IRET go back to: #GP or #NP. */
export function checkReturnTarget(core: Core, selector: number, offset: number): void {
  readCodeSegment(core, selector, code);
  const privilege = selector & 3;
  if (privilege < core.cpl) core.generalProtection(selector & 0xfffc);
  if (code.isConforming ? code.privilege > privilege : code.privilege !== privilege)
    core.generalProtection(selector & 0xfffc);
  checkCodeSize(core, selector, code);
  checkPresent(core, selector, code);
  checkCodeOffset(core, code, offset);
  code.markAccessed(core);
}

/** SS and RSP to go back to. */
const outer = { selector: 0, lo: 0, hi: 0, isNull: false };

/** Read SS:RSP at `offset` above the stack pointer and check it for the privilege level of `codeSelector`. */
export function readOuterStack(
  core: Core,
  codeSelector: number,
  offset: number,
  bytes: 2 | 4 | 8,
): void {
  const pointer = peek(core, offset, bytes);
  outer.lo = bytes === 8 ? lastRead.lo : pointer;
  outer.hi = bytes === 8 ? lastRead.hi : 0;
  const selector = peekLow(core, offset + bytes, bytes) & 0xffff;
  const privilege = codeSelector & 3;
  outer.selector = selector;
  outer.isNull = isNullSelector(selector);
  if (outer.isNull) {
    if (!core.isLong || !code.isLong || privilege === 3 || (selector & 3) !== privilege)
      core.generalProtection();
    return;
  }
  const errorCode = selector & 0xfffc;
  if (!stackSegment.read(core, selector)) core.generalProtection(errorCode);
  if (
    (selector & 3) !== privilege ||
    !stackSegment.isWritable ||
    stackSegment.privilege !== privilege
  )
    core.generalProtection(errorCode);
  if (!stackSegment.isPresent) core.raiseWithCode(12, errorCode);
  stackSegment.markAccessed(core);
}

/** Load CS, CPL, SS and RSP as checked, plus `extra` bytes; RIP is the caller's. */
export function commitOuter(core: Core, selector: number, extra: number): void {
  const privilege = selector & 3;
  const outward = privilege > core.cpl;
  setFromDescriptor(core, CS, selector, code);
  setCpl(core, privilege);
  if (outer.isNull) setNull(core, SS, outer.selector);
  else setFromDescriptor(core, SS, outer.selector, stackSegment);
  if (core.is64) {
    core.set(RSP, outer.lo);
    core.set(RSP + 4, outer.hi);
    if (extra !== 0) core.setAddress(RSP, core.address(RSP) + extra);
  } else setStackPointer(core, outer.lo + extra, stackBits(core.get(MODE)));
  if (outward) for (const index of DATA_SEGMENTS) forgetInnerSegment(core, index);
}

/** Same privilege: load CS as checked. */
export function commitSame(core: Core, selector: number): void {
  setFromDescriptor(core, CS, selector, code);
}

/**
 * Data segments of an inner level must not stay usable (Intel SDM vol. 3, 5.8.6). Their bases stay,
 * which matters for FS and GS in 64-bit mode.
 */
function forgetInnerSegment(core: Core, index: number): void {
  if (isNullSelector(core.get(segmentField(index, SEGMENT_SELECTOR)))) return;
  const attributes = core.get(segmentField(index, SEGMENT_ATTRIBUTES));
  const isConformingCode =
    (attributes & (ATTRIBUTE_CODE | ATTRIBUTE_CONFORMING)) ===
    (ATTRIBUTE_CODE | ATTRIBUTE_CONFORMING);
  if (!(attributes & ATTRIBUTE_UNUSABLE) && !isConformingCode && ((attributes >> 5) & 3) < core.cpl)
    makeUnusable(core, index);
}

import { EFLAGS_VM } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { Descriptor, isNullSelector, TYPE_LDT } from "./descriptor.ts";
import { setFromDescriptor, setVirtual8086 } from "./segments.ts";
import { CS, DS, ES, FS, GS, LDTR, SS } from "./state.ts";

/**
 * The segment registers of a task that is entered (Intel SDM vol. 3, table
 * 8-1): what is wrong with them is #TS, #NP or #SS of the new task.
 */

const INVALID_TSS = 10;
const NOT_PRESENT = 11;
const STACK_FAULT = 12;

const descriptor = new Descriptor();
const DATA_SEGMENTS = [ES, DS, FS, GS];

/** @param selectors in encoding order; CPL is that of the new task already */
export function loadTaskSegments(
  core: Core,
  ldt: number,
  selectors: ArrayLike<number>,
  external: number,
): void {
  loadTaskLdt(core, ldt, external);
  if (core.rflags() & EFLAGS_VM) {
    for (let index = ES; index <= GS; index++) setVirtual8086(core, index, selectors[index]);
    return;
  }
  loadTaskCode(core, selectors[CS], external);
  loadTaskStack(core, selectors[SS], external);
  for (const index of DATA_SEGMENTS) loadTaskData(core, index, selectors[index], external);
}

function loadTaskLdt(core: Core, selector: number, external: number): void {
  if (isNullSelector(selector)) return;
  const code = (selector & 0xfffc) | external;
  if (selector & 4 || !descriptor.read(core, selector)) core.raiseWithCode(INVALID_TSS, code);
  if (!descriptor.isSystem || descriptor.type !== TYPE_LDT || !descriptor.isPresent)
    core.raiseWithCode(INVALID_TSS, code);
  setFromDescriptor(core, LDTR, selector, descriptor);
}

function loadTaskCode(core: Core, selector: number, external: number): void {
  const code = (selector & 0xfffc) | external;
  if (isNullSelector(selector) || !descriptor.read(core, selector) || !descriptor.isCode)
    core.raiseWithCode(INVALID_TSS, code);
  const { privilege } = descriptor;
  const rpl = selector & 3;
  if (descriptor.isConforming ? privilege > rpl : privilege !== rpl)
    core.raiseWithCode(INVALID_TSS, code);
  if (!descriptor.isPresent) core.raiseWithCode(NOT_PRESENT, code);
  descriptor.markAccessed(core);
  setFromDescriptor(core, CS, selector, descriptor);
}

function loadTaskStack(core: Core, selector: number, external: number): void {
  const code = (selector & 0xfffc) | external;
  const { cpl } = core;
  if (isNullSelector(selector) || !descriptor.read(core, selector))
    core.raiseWithCode(INVALID_TSS, code);
  if (!descriptor.isWritable || descriptor.privilege !== cpl || (selector & 3) !== cpl)
    core.raiseWithCode(INVALID_TSS, code);
  if (!descriptor.isPresent) core.raiseWithCode(STACK_FAULT, code);
  descriptor.markAccessed(core);
  setFromDescriptor(core, SS, selector, descriptor);
}

function loadTaskData(core: Core, index: number, selector: number, external: number): void {
  if (isNullSelector(selector)) return;
  const code = (selector & 0xfffc) | external;
  if (!descriptor.read(core, selector) || !descriptor.isReadable)
    core.raiseWithCode(INVALID_TSS, code);
  const { privilege } = descriptor;
  if (!descriptor.isConforming && ((selector & 3) > privilege || core.cpl > privilege))
    core.raiseWithCode(INVALID_TSS, code);
  if (!descriptor.isPresent) core.raiseWithCode(NOT_PRESENT, code);
  descriptor.markAccessed(core);
  setFromDescriptor(core, index, selector, descriptor);
}

import { readSystem, writeSystem } from "./access.ts";
import { CR0_PG, CR0_TS, EFLAGS_NT, EFLAGS_VM } from "./control-bits.ts";
import { writeCr3 } from "./control-registers.ts";
import type { Core } from "./core.ts";
import { Descriptor, isNullSelector, TSS_BUSY, TYPE_TSS_16, TYPE_TSS_32 } from "./descriptor.ts";
import { exitObject } from "./exit-objects.ts";
import { setCpl, setFromDescriptor, setNull } from "./segments.ts";
import {
  CR0,
  CR3,
  CS,
  DS,
  ES,
  FS,
  GS,
  LDTR,
  RIP,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  TR,
} from "./state.ts";
import { loadTaskSegments } from "./task-segments.ts";
import { TransferStack } from "./transfer-stack.ts";

/** Task switches (Intel SDM vol. 3, 8.3). */

/** What starts a task switch. */
export interface TaskSwitch {
  /** Far JMP, far CALL, an interrupt through a task gate, IRET with NT set. */
  readonly cause: "jump" | "call" | "gate" | "return";
  /** RIP at which the task that is left goes on later. */
  readonly returnAddress: number;
  /** EXT bit of error codes. */
  readonly external: 0 | 1;
  /** An exception's own error code, pushed in the new task; -1 for none. */
  readonly errorCode: number;
}

const exit = exitObject("special-instruction", { name: "task-switch" });

/** Places of the fields in a TSS (figures 8-2 and 8-10). General registers and segment registers stand in encoding order. */
interface Layout {
  readonly bytes: 2 | 4;
  readonly rip: number;
  readonly flags: number;
  readonly general: number;
  readonly segments: number;
  readonly segmentCount: 4 | 6;
  readonly ldt: number;
  /** Highest offset that must exist. */
  readonly last: number;
}
const LAYOUT_32: Layout = {
  bytes: 4,
  rip: 0x20,
  flags: 0x24,
  general: 0x28,
  segments: 0x48,
  segmentCount: 6,
  ldt: 0x60,
  last: 0x67,
};
const LAYOUT_16: Layout = {
  bytes: 2,
  rip: 0x0e,
  flags: 0x10,
  general: 0x12,
  segments: 0x22,
  segmentCount: 4,
  ldt: 0x2a,
  last: 0x2b,
};
const CR3_FIELD = 0x1c;
const TRAP_FIELD = 0x64;
/** DR6.BT. */
const TASK_TRAP = 0x8000;

const target = new Descriptor();
const old = new Descriptor();
const stack = new TransferStack();
const general = new Uint32Array(8);
const selectors = new Uint16Array(6);

function layoutOf(type: number): Layout {
  return type & 8 ? LAYOUT_32 : LAYOUT_16;
}

/**
 * Switch to the task of a TSS selector. A fault after the registers were
 * replaced is one of the new task; then `core.ripIsArchitectural` is set.
 */
export function switchTask(core: Core, selector: number, how: TaskSwitch): void {
  if (core.exit(exit) === "done") return;
  readTarget(core, selector, how);
  const layout = layoutOf(target.type);
  const base = target.base;

  const at = (offset: number): number => (base + offset) >>> 0;
  const rip = readSystem(core, at(layout.rip), layout.bytes);
  let flags = readSystem(core, at(layout.flags), layout.bytes);
  for (let k = 0; k < 8; k++)
    general[k] = readSystem(core, at(layout.general + layout.bytes * k), layout.bytes);
  selectors.fill(0);
  for (let k = 0; k < layout.segmentCount; k++)
    selectors[k] = readSystem(core, at(layout.segments + layout.bytes * k), 2);
  const ldt = readSystem(core, at(layout.ldt), 2);
  const trap = layout === LAYOUT_32 && readSystem(core, at(TRAP_FIELD), 2) & 1;
  const cr3 = layout === LAYOUT_32 ? readSystem(core, at(CR3_FIELD), 4) : core.get(CR3);

  const oldSelector = core.get(segmentField(TR, SEGMENT_SELECTOR));
  saveState(core, how);
  const nests = how.cause === "call" || how.cause === "gate";
  if (!nests && old.read(core, oldSelector)) old.markBusy(core, false);
  if (nests) {
    writeSystem(core, base, 2, oldSelector);
    flags |= EFLAGS_NT;
  }
  if (how.cause !== "return") target.markBusy(core, true);

  // From here on the new task runs.
  core.set(CR0, core.get(CR0) | CR0_TS);
  setFromDescriptor(core, TR, selector, target);
  if (core.get(CR0) & CR0_PG) writeCr3(core, cr3, 0);
  // A 16-bit TSS leaves ones in the upper halves, as the 80386 does.
  const upper = layout === LAYOUT_16 ? 0xffff_0000 : 0;
  for (let k = 0; k < 8; k++) core.setRegister(k, general[k] | upper);
  core.setAddress(RIP, rip);
  core.setRflags(flags);
  core.ripIsArchitectural = true;
  enterTask(core, ldt, how.external);
  if (how.errorCode >= 0) {
    stack.useCurrent(core, how.external);
    stack.push(core, layout.bytes, how.errorCode);
    stack.commit(core);
  }
  if (rip > core.get(segmentField(CS, SEGMENT_LIMIT))) core.generalProtection(how.external);
  core.ripIsArchitectural = false;
  if (trap) core.debugPending |= TASK_TRAP;
}

/** The TSS must be global, of the right kind, present and large enough. */
function readTarget(core: Core, selector: number, how: TaskSwitch): void {
  const returns = how.cause === "return";
  const vector = returns ? 10 : 13;
  const code = (selector & 0xfffc) | how.external;
  if (isNullSelector(selector) || selector & 4 || !target.read(core, selector))
    core.raiseWithCode(vector, code);
  const available = returns ? target.type & ~TSS_BUSY : target.type;
  const isTask = target.isSystem && (available === TYPE_TSS_16 || available === TYPE_TSS_32);
  if (!isTask || (returns && !(target.type & TSS_BUSY))) core.raiseWithCode(vector, code);
  if (!target.isPresent) core.raiseWithCode(11, code);
  if (target.limit < layoutOf(target.type).last) core.raiseWithCode(10, code);
}

/** Save the present registers in the present TSS. */
function saveState(core: Core, how: TaskSwitch): void {
  const layout = layoutOf(core.get(segmentField(TR, SEGMENT_ATTRIBUTES)));
  const base = core.get(segmentField(TR, SEGMENT_BASE));
  const { bytes } = layout;
  const write = (offset: number, size: 2 | 4, value: number): void =>
    writeSystem(core, (base + offset) >>> 0, size, value);
  const flags = core.rflags();
  write(layout.rip, bytes, how.returnAddress);
  write(layout.flags, bytes, how.cause === "return" ? flags & ~EFLAGS_NT : flags);
  for (let k = 0; k < 8; k++) write(layout.general + bytes * k, bytes, core.register(k));
  for (let k = 0; k < layout.segmentCount; k++)
    write(layout.segments + bytes * k, 2, core.get(segmentField(k, SEGMENT_SELECTOR)));
}

/** Load LDTR and the segment registers from `selectors`. Until each is loaded it is unusable. */
function enterTask(core: Core, ldt: number, external: number): void {
  for (const index of [ES, CS, SS, DS, FS, GS, LDTR]) {
    if (index !== CS) setNull(core, index, index === LDTR ? ldt : selectors[index]);
    else core.set(segmentField(CS, SEGMENT_SELECTOR), selectors[CS]);
  }
  setCpl(core, core.rflags() & EFLAGS_VM ? 3 : selectors[CS] & 3);
  loadTaskSegments(core, ldt, selectors, external);
}

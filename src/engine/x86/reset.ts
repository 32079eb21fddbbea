import { CONTROL_WORD, TAGS, WINDOW_BYTES } from "../x87/layout.ts";
import type { Core } from "./core.ts";
import { PROCESSOR_SIGNATURE } from "./cpuid.ts";
import { DR6, DR7 } from "./debug.ts";
import { resetMsrs } from "./msr.ts";
import { type SegmentCache, setSegment } from "./segments.ts";
import { setMxcsr } from "./sse/mxcsr.ts";
import {
  CPL,
  CR0,
  CR2,
  CR3,
  CR4,
  CS,
  DR,
  EFER,
  ES,
  GDTR_BASE,
  GDTR_LIMIT,
  GPR,
  GS,
  IDTR_BASE,
  IDTR_LIMIT,
  LDTR,
  RANDOM,
  RIP,
  TR,
  X87,
  XCR0,
  XMM,
  YMM_UPPER,
} from "./state.ts";

const DATA: SegmentCache = { selector: 0, base: 0, limit: 0xffff, attributes: 0x93 };
const CODE: SegmentCache = { selector: 0xf000, base: 0xffff_0000, limit: 0xffff, attributes: 0x9b };
const LDT: SegmentCache = { selector: 0, base: 0, limit: 0xffff, attributes: 0x82 };
const TASK: SegmentCache = { selector: 0, base: 0, limit: 0xffff, attributes: 0x8b };

/** All registers as after power-on (Intel SDM vol. 3, table 10-1). */
export function powerOn(core: Core): void {
  core.setAddress(XCR0, 1);
  for (let offset = 0; offset < 256; offset += 8) {
    core.setAddress(XMM + offset, 0);
    core.setAddress(XMM + YMM_UPPER + offset, 0);
  }
  // Each CPU draws its own numbers, the same in every run.
  core.setBig(RANDOM, BigInt(core.index));
  setMxcsr(core, 0x1f80);
  resetX87(core);
  resetMsrs(core);
  initialise(core);
}

/** As after INIT: x87, SSE and most model-specific registers stay as they are. */
export function initialise(core: Core): void {
  for (let offset = GPR; offset < RIP; offset += 8) core.setAddress(offset, 0);
  core.setRegister(2, PROCESSOR_SIGNATURE);
  core.setAddress(RIP, 0xfff0);
  core.setAddress(CR0, 0x6000_0010);
  core.setAddress(CR2, 0);
  core.setAddress(CR3, 0);
  core.setAddress(CR4, 0);
  core.setAddress(EFER, 0);
  core.set(CPL, 0);
  core.setRflags(2);
  for (let index = ES; index <= GS; index++) setSegment(core, index, index === CS ? CODE : DATA);
  setSegment(core, LDTR, LDT);
  setSegment(core, TR, TASK);
  core.setAddress(GDTR_BASE, 0);
  core.set(GDTR_LIMIT, 0xffff);
  core.setAddress(IDTR_BASE, 0);
  core.set(IDTR_LIMIT, 0xffff);
  for (let index = 0; index < 4; index++) core.setAddress(DR + 8 * index, 0);
  core.setAddress(DR6, 0xffff_0ff0);
  core.setAddress(DR7, 0x400);
  core.modeChanged();
  core.flushTlb();
}

/** Eight registers of +0.0, tagged as such; all exceptions unmasked. */
function resetX87(core: Core): void {
  for (let offset = 0; offset < WINDOW_BYTES; offset += 8) core.setAddress(X87 + offset, 0);
  core.set(X87 + CONTROL_WORD, 0x40);
  core.set(X87 + TAGS, 0xff);
}

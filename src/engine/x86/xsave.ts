import { OPERAND } from "../x87/layout.ts";
import { guestRange, probeGuestBytes, readGuestBytes, writeGuestBytes } from "./access.ts";
import type { Core } from "./core.ts";
import type { Level } from "./mode.ts";
import { MXCSR_MASK, setMxcsr } from "./sse/mxcsr.ts";
import { MXCSR, X87, XMM, YMM_UPPER } from "./state.ts";

/**
 * The FXSAVE area, the XSAVE header behind it, and AVX state behind that (Intel
 * SDM vol. 1, 10.5 and 13.4). Every function faults before it changes registers.
 */

/** State components in XCR0 and XSTATE_BV. */
export const COMPONENT_X87 = 1;
export const COMPONENT_SSE = 2;
/** Bits 255:128 of the YMM registers. */
export const COMPONENT_AVX = 4;

/** Those that a CPU of a level has. */
export function stateComponents(level: Level): number {
  return level === 3 ? 7 : 3;
}

/** Bytes of an XSAVE area for components in XCR0. */
export function xsaveBytes(components: number): number {
  return components & COMPONENT_AVX ? AVX_AT + AVX_BYTES : AVX_AT;
}

/** Those that keep MXCSR, too. */
const WITH_MXCSR = COMPONENT_SSE | COMPONENT_AVX;

const LEGACY_BYTES = 512;
const HEADER_BYTES = 64;
/** Where component 2 stands in the area, and its size. */
export const AVX_AT = LEGACY_BYTES + HEADER_BYTES;
export const AVX_BYTES = 256;
const X87_BYTES = 160;
const MXCSR_AT = 24;
const MXCSR_MASK_AT = 28;
const XMM_AT = 160;

const image = new Uint8Array(LEGACY_BYTES);
const view = new DataView(image.buffer);
const header = new Uint8Array(HEADER_BYTES);
const headerView = new DataView(header.buffer);
const upperImage = new Uint8Array(AVX_BYTES);

/** Where the x87 room exchanges images. */
function operand(core: Core): Uint8Array {
  const at = core.base + X87 + OPERAND;
  return core.linearMemory.subarray(at, at + X87_BYTES);
}

function xmmBytes(core: Core): Uint8Array {
  const at = core.base + XMM;
  return core.linearMemory.subarray(at, at + 16 * registers(core));
}

function upperBytes(core: Core): Uint8Array {
  const at = core.base + XMM + YMM_UPPER;
  return core.linearMemory.subarray(at, at + 16 * registers(core));
}

/** Outside 64-bit mode XMM8 to XMM15 are neither saved nor restored. */
function registers(core: Core): 8 | 16 {
  return core.is64 ? 16 : 8;
}

function saveX87(core: Core, wide: boolean): void {
  core.x87.storeExtended(wide);
  const bytes = operand(core);
  // MXCSR and its mask stand in the middle.
  image.set(bytes.subarray(0, MXCSR_AT));
  image.set(bytes.subarray(MXCSR_AT + 8), MXCSR_AT + 8);
}

function restoreX87(core: Core, wide: boolean): void {
  operand(core).set(image.subarray(0, X87_BYTES));
  core.x87.loadExtended(wide);
}

/** The initial configuration (SDM vol. 1, 13.6): as after FNINIT, and the registers are zero. */
function initialX87(core: Core, wide: boolean): void {
  const bytes = operand(core).fill(0);
  bytes[0] = 0x7f;
  bytes[1] = 0x03;
  core.x87.loadExtended(wide);
}

function saveMxcsr(core: Core): void {
  view.setUint32(MXCSR_AT, core.get(MXCSR), true);
  view.setUint32(MXCSR_MASK_AT, MXCSR_MASK, true);
}

/** #GP(0) for bits that MXCSR does not have. */
function checkMxcsr(core: Core): void {
  if (view.getUint32(MXCSR_AT, true) & ~MXCSR_MASK) core.generalProtection();
}

function checkAligned(core: Core, linear: number, alignment: number): void {
  if (linear & (alignment - 1)) core.generalProtection();
}

/** @param wide 64-bit x87 pointers instead of selectors and offsets */
export function fxsave(core: Core, linear: number, wide: boolean): void {
  checkAligned(core, linear, 16);
  const host = guestRange(core, linear, LEGACY_BYTES, "write");
  // What is not saved stays as it is in memory.
  if (host < 0) {
    probeGuestBytes(core, linear, LEGACY_BYTES, "write");
    readGuestBytes(core, linear, image);
  }
  const area = host < 0 ? image : core.linearMemory.subarray(host, host + LEGACY_BYTES);
  core.x87.storeExtended(wide);
  core.set(X87 + OPERAND + MXCSR_AT, core.get(MXCSR));
  core.set(X87 + OPERAND + MXCSR_MASK_AT, MXCSR_MASK);
  area.set(operand(core));
  area.set(xmmBytes(core), XMM_AT);
  if (host < 0) writeGuestBytes(core, linear, image);
}

export function fxrstor(core: Core, linear: number, wide: boolean): void {
  checkAligned(core, linear, 16);
  const host = guestRange(core, linear, LEGACY_BYTES, "read");
  if (host < 0) readGuestBytes(core, linear, image);
  const area = host < 0 ? image : core.linearMemory.subarray(host, host + LEGACY_BYTES);
  operand(core).set(area.subarray(0, X87_BYTES));
  const mxcsr = core.get(X87 + OPERAND + MXCSR_AT);
  if (mxcsr & ~MXCSR_MASK) core.generalProtection();
  core.x87.loadExtended(wide);
  setMxcsr(core, mxcsr);
  xmmBytes(core).set(area.subarray(XMM_AT, XMM_AT + 16 * registers(core)));
}

/** @param components of XCR0 and EDX:EAX both */
export function xsave(core: Core, linear: number, wide: boolean, components: number): void {
  checkAligned(core, linear, 64);
  const upper = upperBytes(core);
  const savesAvx = (components & COMPONENT_AVX) !== 0;
  probeGuestBytes(core, linear, savesAvx ? AVX_AT + upper.length : AVX_AT, "write");
  readGuestBytes(core, linear, image);
  readGuestBytes(core, linear + LEGACY_BYTES, header, 8);
  if (components & COMPONENT_X87) saveX87(core, wide);
  if (components & WITH_MXCSR) saveMxcsr(core);
  if (components & COMPONENT_SSE) image.set(xmmBytes(core), XMM_AT);
  // AVX state counts as in use while it is not all zero, the others always.
  const unused = savesAvx && upper.every((byte) => byte === 0) ? COMPONENT_AVX : 0;
  headerView.setUint32(0, (headerView.getUint32(0, true) | components) & ~unused, true);
  if (savesAvx) {
    upperImage.set(upper);
    writeGuestBytes(core, linear + AVX_AT, upperImage, upper.length);
  }
  writeGuestBytes(core, linear, image);
  writeGuestBytes(core, linear + LEGACY_BYTES, header, 8);
}

/** @param supported XCR0 @param requested components of XCR0 and EDX:EAX both */
export function xrstor(
  core: Core,
  linear: number,
  wide: boolean,
  supported: number,
  requested: number,
): void {
  checkAligned(core, linear, 64);
  readGuestBytes(core, linear, image);
  readGuestBytes(core, linear + LEGACY_BYTES, header);
  const present = headerView.getUint32(0, true);
  if (present & ~supported || headerView.getUint32(4, true) !== 0) core.generalProtection();
  // The compacted form is not offered, so XCOMP_BV and what follows must be 0.
  for (let at = 8; at < 24; at++) if (header[at] !== 0) core.generalProtection();
  if (requested & WITH_MXCSR) checkMxcsr(core);
  const upper = upperBytes(core);
  const loaded = requested & present;
  if (loaded & COMPONENT_AVX) readGuestBytes(core, linear + AVX_AT, upperImage, upper.length);
  if (requested & COMPONENT_X87) {
    if (present & COMPONENT_X87) restoreX87(core, wide);
    else initialX87(core, wide);
  }
  if (requested & WITH_MXCSR) setMxcsr(core, view.getUint32(MXCSR_AT, true));
  const lower = xmmBytes(core);
  if (loaded & COMPONENT_SSE) lower.set(image.subarray(XMM_AT, XMM_AT + lower.length));
  else if (requested & COMPONENT_SSE) lower.fill(0);
  if (loaded & COMPONENT_AVX) upper.set(upperImage.subarray(0, upper.length));
  else if (requested & COMPONENT_AVX) upper.fill(0);
}

import { isCanonical } from "./access.ts";
import type { Core } from "./core.ts";
import { type Descriptor, isNullSelector } from "./descriptor.ts";

/** What far transfers check alike about the code segment they go to. */

/** Read the descriptor of a code segment: #GP(0) for a null selector, #GP(selector) for anything else. */
export function readCodeSegment(core: Core, selector: number, into: Descriptor): void {
  if (isNullSelector(selector)) core.generalProtection();
  if (!into.read(core, selector) || !into.isCode) core.generalProtection(selector & 0xfffc);
}

/** In IA-32e mode L and D must not both be set: #GP(selector). */
export function checkCodeSize(core: Core, selector: number, code: Descriptor): void {
  if (core.isLong && code.isLong && code.isBig) core.generalProtection(selector & 0xfffc);
}

export function checkPresent(core: Core, selector: number, descriptor: Descriptor): void {
  if (!descriptor.isPresent) core.raiseWithCode(11, selector & 0xfffc);
}

/** The target must lie within the segment, or be canonical in 64-bit mode: #GP(0). */
export function checkCodeOffset(core: Core, code: Descriptor, offset: number): void {
  if (core.isLong && code.isLong ? !isCanonical(offset) : offset > code.limit)
    core.generalProtection();
}

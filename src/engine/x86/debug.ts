import { CR0_AM, EFLAGS_AC } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { CR0, DR, EFLAGS } from "./state.ts";

/** Byte offsets of DR6 and DR7 in the state. */
export const DR6 = DR + 6 * 8;
export const DR7 = DR + 7 * 8;

const LENGTHS = [1, 2, 8, 4];

/** Whether an enabled breakpoint of `type` (0 execute, 1 write, 3 access) covers the bytes. */
function matches(
  core: Core,
  linear: number,
  size: number,
  accepts: (type: number) => boolean,
): number {
  const dr7 = core.get(DR7);
  let hits = 0;
  for (let k = 0; k < 4; k++) {
    if (!((dr7 >> (2 * k)) & 3)) continue;
    const type = (dr7 >> (16 + 4 * k)) & 3;
    if (!accepts(type)) continue;
    const length = type === 0 ? 1 : (LENGTHS[(dr7 >> (18 + 4 * k)) & 3] as number);
    const start = Math.floor(core.address(DR + 8 * k) / length) * length;
    if (linear < start + length && linear + size > start) hits |= 1 << k;
  }
  return hits;
}

/** Note data breakpoints (SDM vol. 3, 18.2): #DB follows the instruction. */
export function hitDataBreakpoint(core: Core, linear: number, size: number, writes: boolean): void {
  core.debugPending |= matches(core, linear, size, (type) => type === 3 || (writes && type === 1));
}

/** B0 to B3 of DR6: those of the last #DB. Nothing but software clears the other causes. */
const BREAKPOINTS = 0xf;

/** Move the pending causes of a #DB that is being delivered to DR6 (SDM vol. 3, 18.2.3). */
export function noteDebugCauses(core: Core): void {
  core.set(DR6, (core.get(DR6) & ~BREAKPOINTS) | core.debugPending);
  core.debugPending = 0;
}

/** DR6 bits of instruction breakpoints at a linear address. */
export function instructionBreakpoints(core: Core, linear: number): number {
  return matches(core, linear, 1, (type) => type === 0);
}

/** Whether any breakpoint is enabled: then every instruction must be looked at by itself. */
export function hasBreakpoints(core: Core): boolean {
  return (core.get(DR7) & 0xff) !== 0;
}

/** Recompute whether data accesses must be watched; call after DR7, CR0, RFLAGS.AC or CPL changed. */
export function updateWatching(core: Core): void {
  const dr7 = core.get(DR7);
  let watching = false;
  for (let k = 0; k < 4 && hasBreakpoints(core); k++)
    if ((dr7 >> (2 * k)) & 3 && ((dr7 >> (16 + 4 * k)) & 3) !== 0) watching = true;
  if (core.cpl === 3 && core.get(CR0) & CR0_AM && core.get(EFLAGS) & EFLAGS_AC) watching = true;
  if (watching && !core.watching) core.flushTlb();
  core.watching = watching;
}

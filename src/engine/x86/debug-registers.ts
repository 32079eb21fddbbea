import type { Core } from "./core.ts";
import { DR6, DR7, noteDebugCauses, updateWatching } from "./debug.ts";
import { CR4, DR } from "./state.ts";

/** MOV to and from debug registers (Intel SDM vol. 3, 18.2). */

const CR4_DE = 8;
/** DR7.GD: the next access to a debug register raises #DB. */
const GENERAL_DETECT = 0x2000;
/** DR6.BD. */
const ACCESS_DETECTED = 0x2000;
const DR6_ONES = 0xffff_0ff0;
const DR6_BITS = 0xe00f;
const DR7_ONES = 0x400;
const DR7_BITS = 0xffff_23ff;

/** State offset of the register that `index` names: 4 and 5 mean 6 and 7 unless CR4.DE is set. */
export function debugRegister(core: Core, index: number): number {
  let number = index;
  if (index === 4 || index === 5) {
    if (core.get(CR4) & CR4_DE) core.raise(6);
    number = index + 2;
  }
  if (core.get(DR7) & GENERAL_DETECT) {
    core.set(DR7, core.get(DR7) & ~GENERAL_DETECT);
    core.debugPending |= ACCESS_DETECTED;
    noteDebugCauses(core);
    core.raise(1);
  }
  return number <= 3 ? DR + 8 * number : number === 6 ? DR6 : DR7;
}

export function writeDebugRegister(core: Core, index: number, lo: number, hi: number): void {
  const offset = debugRegister(core, index);
  if (offset === DR6 || offset === DR7) {
    if (hi !== 0) core.generalProtection();
    core.set(offset, offset === DR6 ? (lo & DR6_BITS) | DR6_ONES : (lo & DR7_BITS) | DR7_ONES);
    updateWatching(core);
    return;
  }
  core.set(offset, lo);
  core.set(offset + 4, hi);
  updateWatching(core);
  if (core.watching) core.flushTlb();
}

import type { Vcpu } from "../vcpu.ts";
import type { Core } from "./core.ts";
import { MSRS } from "./state.ts";

/**
 * State offset of IA32_TSC_ADJUST. The time-stamp counter is the vCPU's time
 * in ticks plus this: writing IA32_TSC adds the difference to it as well
 * (Intel SDM vol. 3, 18.17.3).
 */
export const TSC_ADJUST = MSRS;

/** Frequency of the time-stamp counter: one tick a nanosecond. */
export const TSC_KILOHERTZ = 1_000_000;

export const TICKS_PER_NANOSECOND = TSC_KILOHERTZ / 1_000_000;

/** The last counter value read, as two unsigned 32-bit halves. */
export const timeStamp = { lo: 0, hi: 0 };

/** Ticks of the vCPU's own time, without the guest's adjustment. */
export function unadjustedTicks(core: Core): number {
  return Math.floor((core.vcpu as Vcpu).time() * TICKS_PER_NANOSECOND);
}

/** Read the time-stamp counter into {@link timeStamp}. */
export function readTimeStamp(core: Core): void {
  const ticks = unadjustedTicks(core);
  const lo = (ticks >>> 0) + core.get(TSC_ADJUST);
  timeStamp.lo = lo >>> 0;
  timeStamp.hi =
    (Math.floor(ticks / 4294967296) + core.get(TSC_ADJUST + 4) + (lo > 0xffff_ffff ? 1 : 0)) >>> 0;
}

/** XSETBV (hypervisor interface, 7.3): what is let through to the CPU. */
import type { Features, Xsetbv } from "../engine/vcpu.ts";
import type { Violation } from "./mmio-dispatch.ts";

const X87 = 1;

/** CPUID.(0xd,0).EAX: x87 and SSE, and AVX from the third level on. */
export function supportedXcr0(features: Features): number {
  return features === "x86-64-v3" ? 7 : 3;
}

/** @param supported CPUID.(0xd,0).EAX */
export function moderateXsetbv(
  { index, lo, hi }: Xsetbv,
  supported: number,
): Violation | undefined {
  if (index === 0 && hi === 0 && (lo & X87) !== 0 && (lo & ~supported) === 0) return undefined;
  const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
  return `FATAL: Invalid xsetbv parameters: xcr[${index}] = ${word(lo)}:${word(hi)}`;
}

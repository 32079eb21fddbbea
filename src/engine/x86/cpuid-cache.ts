import type { Cpuid } from "../vcpu.ts";
import type { Core } from "./core.ts";
import { CPUID_CACHE } from "./state.ts";

/**
 * What CPUID answered lately, in the vCPU's state, where generated code looks: some programs ask
 * again and again, to wait for all before or to read the time in order.
 */

/** Entries of the cache; a power of two. */
export const CPUID_ENTRIES = 16;
export const CPUID_ENTRY_BYTES = 32;
/** Fields of an entry: leaf, subleaf, whether it may be used again, and EAX, EBX, ECX, EDX. */
export const CPUID_LEAF = CPUID_CACHE;
export const CPUID_SUBLEAF = CPUID_CACHE + 4;
export const CPUID_VALID = CPUID_CACHE + 8;
export const CPUID_RESULTS = CPUID_CACHE + 16;
/** Leaves differ in their low bits, and the extended ones from the basic ones in this one. */
export const CPUID_EXTENDED_SHIFT = 28;

/** Byte offset of the entry for a question, as rows/system.ts computes it too. */
function entryFor(leaf: number, subleaf: number): number {
  return (
    ((leaf ^ (leaf >>> CPUID_EXTENDED_SHIFT) ^ subleaf) & (CPUID_ENTRIES - 1)) * CPUID_ENTRY_BYTES
  );
}

/** Put an answer where generated code finds it: for now, or until all are forgotten. */
export function keepCpuid(core: Core, answer: Cpuid): void {
  const entry = entryFor(answer.leaf, answer.subleaf);
  core.set(CPUID_LEAF + entry, answer.leaf);
  core.set(CPUID_SUBLEAF + entry, answer.subleaf);
  core.set(CPUID_VALID + entry, answer.constant ? 1 : 0);
  core.set(CPUID_RESULTS + entry, answer.eax);
  core.set(CPUID_RESULTS + 4 + entry, answer.ebx);
  core.set(CPUID_RESULTS + 8 + entry, answer.ecx);
  core.set(CPUID_RESULTS + 12 + entry, answer.edx);
}

/** Something has changed that answers depend on. */
export function forgetCpuid(core: Core): void {
  for (let k = 0; k < CPUID_ENTRIES; k++) core.set(CPUID_VALID + k * CPUID_ENTRY_BYTES, 0);
}

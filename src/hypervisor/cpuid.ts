/** What CPUID shows a cell (hypervisor interface, 3). */
import type { Cpuid, Vcpu } from "../engine/vcpu.ts";
import type { Release } from "./release.ts";

const SIGNATURE_LEAF = 0x4000_0000;
const FEATURE_LEAF = 0x4000_0001;

const VMX = 1 << 5;
const OSXSAVE = 1 << 27;
const HYPERVISOR = 2 ** 31;
const SVM = 1 << 2;
const CR4_OSXSAVE = 1n << 18n;

/** Changes what the bare engine answered. */
export function moderateCpuid(exit: Cpuid, vcpu: Vcpu, release: Release, isRoot: boolean): void {
  switch (exit.leaf) {
    case SIGNATURE_LEAF:
      exit.eax = FEATURE_LEAF;
      exit.ebx = 0x6c69_614a; // "Jail"
      exit.ecx = 0x7375_6f68; // "hous"
      exit.edx = 0x65; // "e"
      break;
    case FEATURE_LEAF:
      exit.eax = exit.ebx = exit.ecx = exit.edx = 0;
      break;
    case 1: {
      let ecx = exit.ecx & ~OSXSAVE;
      if ((vcpu.registers.get("cr4") & CR4_OSXSAVE) !== 0n) ecx |= OSXSAVE;
      // a hypervisor of this build runs on nothing else, whatever the engine says of itself
      ecx |= VMX;
      if (!isRoot) {
        ecx |= HYPERVISOR;
        if (release.hidesVirtualization) ecx &= ~VMX;
      }
      exit.ecx = ecx >>> 0;
      break;
    }
    case 0x8000_0001:
      if (!isRoot && release.hidesVirtualization) exit.ecx = (exit.ecx & ~SVM) >>> 0;
      break;
  }
}

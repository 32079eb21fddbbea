import type { Cpuid } from "../vcpu.ts";
import { CR4_OSXSAVE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import type { Level } from "./mode.ts";
import { PHYSICAL_ADDRESS_BITS } from "./paging.ts";
import { CR4, XCR0 } from "./state.ts";
import { TSC_KILOHERTZ } from "./time-stamp.ts";
import { AVX_AT, AVX_BYTES, COMPONENT_AVX, stateComponents, xsaveBytes } from "./xsave.ts";

/** Family 6, model 5eh, stepping 3. */
export const PROCESSOR_SIGNATURE = 0x0005_06e3;

const LINEAR_ADDRESS_BITS = 48;
function bits(...numbers: readonly number[]): number {
  let word = 0;
  for (const bit of numbers) word += 2 ** bit;
  return word;
}

/** A word of features for each level of the x86-64 ABI, by what each has beyond the one before. */
function byLevel(
  first: readonly number[],
  second: readonly number[],
  third: readonly number[],
): Readonly<Record<Level, number>> {
  return {
    1: bits(...first),
    2: bits(...first, ...second),
    3: bits(...first, ...second, ...third),
  };
}

/** Leaf 1 ECX (Intel SDM vol. 2, table 3-10). */
const FEATURES_1_ECX = byLevel(
  // PCID, x2APIC, TSC-deadline, XSAVE
  [17, 21, 24, 26],
  // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT
  [0, 9, 13, 19, 20, 23],
  // PCLMULQDQ, FMA, MOVBE, AES, AVX, F16C, RDRAND
  [1, 12, 22, 25, 28, 29, 30],
);
const OSXSAVE = bits(27);
/** Leaf 1 EDX (table 3-11): FPU, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE, SSE2, SS. */
const FEATURES_1_EDX = bits(
  0,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  11,
  12,
  13,
  14,
  15,
  16,
  17,
  19,
  23,
  24,
  25,
  26,
  27,
);
const FEATURES_7_EBX = byLevel(
  // FSGSBASE, TSC_ADJUST, SMEP, ERMS, INVPCID, SMAP, CLFLUSHOPT, CLWB
  [0, 1, 7, 9, 10, 20, 23, 24],
  [],
  // BMI1, AVX2, BMI2, RDSEED, ADX, SHA
  [3, 5, 8, 18, 19, 29],
);
const FEATURES_7_ECX = byLevel(
  // UMIP
  [2],
  [],
  // VAES, VPCLMULQDQ
  [9, 10],
);
/** PREFETCHW; LAHF and SAHF in 64-bit mode; LZCNT. */
const FEATURES_81_ECX = byLevel([8], [0], [5]);
/** SYSCALL in 64-bit mode, NX, 1-GByte pages, RDTSCP, Intel 64. */
const FEATURES_81_EDX = bits(11, 20, 26, 27, 29);
const FEATURES_87_EDX = bits(8);

/** Registers that hold a text, four characters each, filled up with zeros. */
function text(characters: string, registers: number): readonly number[] {
  const byte = (at: number) => (at < characters.length ? characters.charCodeAt(at) : 0);
  return Array.from({ length: registers }, (_, n) =>
    [0, 1, 2, 3].reduce((word, k) => word + byte(4 * n + k) * 256 ** k, 0),
  );
}

const VENDOR = text("GenuineIntel", 3);
const BRAND = text("Gaoler virtual CPU", 12);

function set(result: Cpuid, eax: number, ebx: number, ecx: number, edx: number): void {
  result.eax = eax;
  result.ebx = ebx;
  result.ecx = ecx;
  result.edx = edx;
}

const HIGHEST_BASIC = 0x16;
const HIGHEST_EXTENDED = 0x8000_0008;

/** What CPUID answers on the bare engine; leaf and subleaf stand in `result` (Intel SDM vol. 2, CPUID). */
export function cpuid(core: Core, result: Cpuid): void {
  const { leaf } = result;
  // Beyond the highest leaf Intel's CPUs answer as for the highest basic one.
  const known = leaf <= HIGHEST_BASIC || (leaf >= 0x8000_0000 && leaf <= HIGHEST_EXTENDED);
  answer(core, known ? leaf : HIGHEST_BASIC, result);
}

function answer(core: Core, leaf: number, result: Cpuid): void {
  switch (leaf) {
    case 0:
      set(result, HIGHEST_BASIC, VENDOR[0] as number, VENDOR[2] as number, VENDOR[1] as number);
      break;
    case 1:
      set(
        result,
        PROCESSOR_SIGNATURE,
        // Initial APIC id, one logical processor, cache lines of 8 quadwords.
        (core.index * 2 ** 24 + 0x1_0800) >>> 0,
        FEATURES_1_ECX[core.level] + (core.get(CR4) & CR4_OSXSAVE ? OSXSAVE : 0),
        FEATURES_1_EDX,
      );
      break;
    case 2:
      // One call; all about caches is in leaf 4.
      set(result, 0x00ff_0001, 0, 0, 0);
      break;
    case 4:
      cache(result);
      break;
    case 7:
      if (result.subleaf === 0)
        set(result, 0, FEATURES_7_EBX[core.level], FEATURES_7_ECX[core.level], 0);
      else set(result, 0, 0, 0, 0);
      break;
    case 0xb:
      topology(core, result);
      break;
    case 0xd:
      extendedState(core, result);
      break;
    case 0x15:
      // The counter runs at the crystal's frequency.
      set(result, 1, 1, TSC_KILOHERTZ * 1000, 0);
      break;
    case 0x16:
      set(result, TSC_KILOHERTZ / 1000, TSC_KILOHERTZ / 1000, 100, 0);
      break;
    case 0x8000_0000:
      set(result, HIGHEST_EXTENDED, 0, 0, 0);
      break;
    case 0x8000_0001:
      set(result, 0, 0, FEATURES_81_ECX[core.level], FEATURES_81_EDX);
      break;
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const at = (leaf - 0x8000_0002) * 4;
      const [eax = 0, ebx = 0, ecx = 0, edx = 0] = BRAND.slice(at, at + 4);
      set(result, eax, ebx, ecx, edx);
      break;
    }
    case 0x8000_0006:
      // L2: 256 KiB, 8-way, lines of 64 bytes.
      set(result, 0, 0, 0x0100_6040, 0);
      break;
    case 0x8000_0007:
      // Invariant TSC.
      set(result, 0, 0, 0, FEATURES_87_EDX);
      break;
    case 0x8000_0008:
      set(result, PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0);
      break;
    default:
      set(result, 0, 0, 0, 0);
  }
}

/** Leaf 4: type and level, ways - 1 and line size - 1, sets - 1. */
function cache(result: Cpuid): void {
  switch (result.subleaf) {
    case 0:
      set(result, 0x121, 0x01c0_003f, 63, 0);
      break;
    case 1:
      set(result, 0x122, 0x01c0_003f, 63, 0);
      break;
    case 2:
      set(result, 0x143, 0x00c0_003f, 1023, 0);
      break;
    default:
      set(result, 0, 0, 0, 0);
  }
}

/** Leaf 0dh: components of XSAVE areas, the size of one for those in XCR0 and for all; XSAVEOPT; AVX state. */
function extendedState(core: Core, result: Cpuid): void {
  const components = stateComponents(core.level);
  if (result.subleaf === 0)
    set(result, components, xsaveBytes(core.get(XCR0)), xsaveBytes(components), 0);
  else if (result.subleaf === 1) set(result, 1, 0, 0, 0);
  else if (result.subleaf === 2 && components & COMPONENT_AVX) set(result, AVX_BYTES, AVX_AT, 0, 0);
  else set(result, 0, 0, 0, 0);
}

/** Leaf 0bh: every vCPU is a core of its own; the x2APIC id is the vCPU's number. */
function topology(core: Core, result: Cpuid): void {
  const { subleaf } = result;
  const level = subleaf & 0xff;
  if (subleaf === 0) set(result, 0, 1, level | 0x100, core.index);
  else if (subleaf === 1) set(result, 6, 64, level | 0x200, core.index);
  else set(result, 0, 0, level, core.index);
}

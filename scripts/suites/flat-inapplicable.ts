/**
 * Cases of flat-binary suites that cannot pass on a bare Intel-like x86-64 CPU, each with why: they
 * ask for what such a CPU does not have, or for what only the suite's own runner does.
 */
import type { Conditions } from "./flat-conditions.ts";

/** By feature asked for, as the suites write it. */
const FOREIGN_FEATURES: Readonly<Record<string, string>> = {
  "3DNOW": "3DNow!, of AMD's older CPUs",
  EMMI: "extensions of MMX by Cyrix",
  SSE4A: "SSE4a, of AMD's CPUs",
  CLZERO: "CLZERO, of AMD's CPUs",
  RDPID: "RDPID, which is part of no level of the x86-64 ABI",
  LINUX: "system calls of Linux",
};

/** By the end of the path. */
const FOREIGN_CASES: readonly (readonly [why: string, ...ends: readonly string[]])[] = [
  ["3DNow!, of AMD's older CPUs", "modrm_oob/DDD"],
  ["system calls of Linux", "FEX_bugs/InlineSyscall", "FEX_bugs/32bit_syscall", "TwoByte/0F_02"],
  [
    "selectors of a Linux process, or selectors that nobody checks",
    "Primary/Pop_Segments",
    "Primary/Primary_8C",
    "Primary/Primary_8C_2",
    "32Bit_ASM/Primary/Primary_A6_REP",
    "Primary/Primary_A6_REPNE",
    "Primary/Primary_A6_REPNE_Equal",
    "Primary/Primary_A6_REP_Equal",
    "Primary/Primary_A6_REP_Smaller",
    "Primary/Primary_A6_REP_down",
    "Primary/Primary_A6_REP_down_Equal",
  ],
  [
    "far pointers with REX.W of AMD's CPUs: Intel's have 8 bytes of offset",
    "PrimaryGroup/5_FF_05",
    "PrimaryGroup/5_FF_05_03_o64",
    "PrimaryGroup/5_FF_05_03_o64_imm",
  ],
  [
    "what Linux answers for SGDT, SIDT and SMSW of a process (UMIP)",
    "Secondary/07_XX_00",
    "Secondary/07_XX_04",
  ],
  ["the suite's runner puts code of its own before the case", "FEX_bugs/GOT_calculation"],
  [
    "the suite does not run it anywhere but in its own runner",
    "Primary/Primary_E8",
    "Primary/Primary_E9",
  ],
  [
    "the suite says itself that its numbers are not a CPU's",
    "X87/FXAM_Simple",
    "X87/X87MMXInteraction",
    "X87/D9_F2",
    "X87/D9_F8",
    "X87/D9_F9",
    "VEX/vldmxcsr",
  ],
  ["an example that never ends", "unittests/Example"],
];

export function whyInapplicable(path: string, { features }: Conditions): string | undefined {
  for (const feature of features) {
    const foreign = FOREIGN_FEATURES[feature.toUpperCase()];
    if (foreign !== undefined) return foreign;
  }
  return FOREIGN_CASES.find(([, ...ends]) => ends.some((end) => path.endsWith(`/${end}.asm`)))?.[0];
}

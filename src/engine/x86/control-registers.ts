import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_FSGSBASE,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  EFER_LMA,
  EFER_LME,
} from "./control-bits.ts";
import type { Core } from "./core.ts";
import { TYPE_TSS_16_BUSY } from "./descriptor.ts";
import { PHYSICAL_ADDRESS_BITS } from "./paging.ts";
import { protectionChanged } from "./segments.ts";
import { CR0, CR2, CR3, CR4, EFER, SEGMENT_ATTRIBUTES, segmentField, TR } from "./state.ts";

/** Writing control registers, with the checks of Intel SDM vol. 3, 2.5 and 4.1. */

export const CR0_ET = 0x10;
const CR0_NW = 0x2000_0000;
const CR0_CD = 0x4000_0000;
/** PE, MP, EM, TS, NE, WP, AM, NW, CD, PG; ET always reads as 1, other bits as 0. */
const CR0_BITS = 0xe005_002f;
const CR4_DE = 8;
const CR4_MCE = 0x40;
const CR4_PCE = 0x100;
const CR4_BITS =
  CR4_TSD |
  CR4_DE |
  CR4_PSE |
  CR4_PAE |
  CR4_MCE |
  CR4_PGE |
  CR4_PCE |
  CR4_OSFXSR |
  CR4_OSXMMEXCPT |
  CR4_UMIP |
  CR4_FSGSBASE |
  CR4_PCIDE |
  CR4_OSXSAVE |
  CR4_SMEP |
  CR4_SMAP;
/** Bits of CR4 that translations depend on. */
const CR4_PAGING = CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP;
/** Bits of CR4 whose change loads the page-directory pointers anew. */
const CR4_LOADS_POINTERS = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP;

/** MOV to CR0, LMSW. Raises #GP(0). */
export function writeCr0(core: Core, value: number, hi = 0): void {
  if (hi !== 0) core.generalProtection();
  const before = core.get(CR0);
  const after = ((value & CR0_BITS) | CR0_ET) >>> 0;
  const changed = before ^ after;
  if ((after & CR0_PG && !(after & CR0_PE)) || (after & CR0_NW && !(after & CR0_CD)))
    core.generalProtection();
  const cr4 = core.get(CR4);
  let efer = core.get(EFER);
  if (changed & CR0_PG) {
    if (!(after & CR0_PG)) {
      if (core.is64 || cr4 & CR4_PCIDE) core.generalProtection();
      efer &= ~EFER_LMA;
    } else if (efer & EFER_LME) {
      checkLongModeEntry(core);
      efer |= EFER_LMA;
    } else if (cr4 & CR4_PAE) checkPagePointers(core, core.get(CR3));
  }
  core.set(CR0, after);
  core.set(EFER, efer);
  if (changed & CR0_PE) protectionChanged(core);
  core.modeChanged();
  if (changed & (CR0_PG | CR0_PE | CR0_WP)) core.flushTlb();
}

/** Setting CR0.PG with EFER.LME: PAE must be on, CS not 64-bit, the TSS not a 16-bit one. */
function checkLongModeEntry(core: Core): void {
  const code = core.get(segmentField(1, SEGMENT_ATTRIBUTES));
  const task = core.get(segmentField(TR, SEGMENT_ATTRIBUTES));
  if (!(core.get(CR4) & CR4_PAE) || code & 0x2000 || (task & 15) === TYPE_TSS_16_BUSY)
    core.generalProtection();
}

/** The four page-directory-pointer entries of PAE paging must not have reserved bits set. */
function checkPagePointers(core: Core, cr3: number): void {
  const table = (cr3 & 0xffff_ffe0) >>> 0;
  for (let k = 0; k < 4; k++) {
    const region = core.map.find(table + 8 * k);
    if (region === undefined) continue;
    const host = core.memory.ramOffset + region.host + (table + 8 * k - region.guest);
    const lo = core.linearView.getUint32(host, true);
    const hi = core.linearView.getUint32(host + 4, true);
    if (lo & 1 && (lo & 0x1e6 || hi >>> (PHYSICAL_ADDRESS_BITS - 32) !== 0))
      core.generalProtection();
  }
}

export function writeCr2(core: Core, lo: number, hi: number): void {
  core.set(CR2, lo);
  core.set(CR2 + 4, hi);
}

/** MOV to CR3. With PCIDs bit 63 allows to keep translations; they are dropped all the same. */
export function writeCr3(core: Core, lo: number, hi: number): void {
  const upper = core.get(CR4) & CR4_PCIDE ? hi & 0x7fff_ffff : hi;
  if (upper >>> (PHYSICAL_ADDRESS_BITS - 32) !== 0) core.generalProtection();
  if (core.get(CR0) & CR0_PG && core.get(CR4) & CR4_PAE && !core.isLong)
    checkPagePointers(core, lo);
  core.set(CR3, lo);
  core.set(CR3 + 4, upper);
  core.flushTlb();
}

/** MOV to CR4. Raises #GP(0). */
export function writeCr4(core: Core, value: number, hi = 0): void {
  if (hi !== 0 || value & ~CR4_BITS) core.generalProtection();
  const changed = core.get(CR4) ^ value;
  if (core.isLong && !(value & CR4_PAE)) core.generalProtection();
  if (changed & value & CR4_PCIDE && (!core.isLong || core.get(CR3) & 0xfff))
    core.generalProtection();
  const pointers = changed & CR4_LOADS_POINTERS && value & CR4_PAE;
  if (pointers && core.get(CR0) & CR0_PG && !core.isLong) checkPagePointers(core, core.get(CR3));
  core.set(CR4, value);
  core.modeChanged();
  if (changed & CR4_PAGING) core.flushTlb();
}

/** MOV to CR8: the task priority. */
export function writeCr8(core: Core, lo: number, hi: number): void {
  if (hi !== 0 || lo > 15) core.generalProtection();
  core.interrupts.taskPriority = lo;
}

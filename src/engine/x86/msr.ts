import { CR0_PG, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { PHYSICAL_ADDRESS_BITS } from "./paging.ts";
import { CR0, EFER, FS, GS, MSRS, SEGMENT_BASE, segmentField } from "./state.ts";
import { readTimeStamp, TSC_ADJUST, timeStamp, unadjustedTicks } from "./time-stamp.ts";

/** Model-specific registers that the engine itself has (Intel SDM vol. 4). */

export const IA32_TSC = 0x10;
export const IA32_PLATFORM_ID = 0x17;
export const IA32_APIC_BASE = 0x1b;
export const MSR_SMI_COUNT = 0x34;
export const IA32_FEATURE_CONTROL = 0x3a;
export const IA32_TSC_ADJUST = 0x3b;
export const IA32_BIOS_UPDT_TRIG = 0x79;
export const IA32_BIOS_SIGN_ID = 0x8b;
export const IA32_MTRRCAP = 0xfe;
export const IA32_SYSENTER_CS = 0x174;
export const IA32_SYSENTER_ESP = 0x175;
export const IA32_SYSENTER_EIP = 0x176;
export const IA32_MCG_CAP = 0x179;
export const IA32_MCG_STATUS = 0x17a;
export const IA32_MISC_ENABLE = 0x1a0;
export const IA32_DEBUGCTL = 0x1d9;
export const IA32_MTRR_PHYSBASE0 = 0x200;
export const IA32_PAT = 0x277;
export const IA32_MTRR_DEF_TYPE = 0x2ff;
export const IA32_EFER = 0xc000_0080;
export const IA32_STAR = 0xc000_0081;
export const IA32_LSTAR = 0xc000_0082;
export const IA32_CSTAR = 0xc000_0083;
export const IA32_FMASK = 0xc000_0084;
export const IA32_FS_BASE = 0xc000_0100;
export const IA32_GS_BASE = 0xc000_0101;
export const IA32_KERNEL_GS_BASE = 0xc000_0102;
export const IA32_TSC_AUX = 0xc000_0103;

const MTRR_VARIABLE_COUNT = 8;
const MTRR_FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

/** Fixed-range and write-combining MTRRs are there. */
const MTRRCAP = BigInt(MTRR_VARIABLE_COUNT) | 0x500n;
/** Locked; VMX was left off. */
const FEATURE_CONTROL = 1n;
const MICROCODE_REVISION = 1n << 32n;
/** Fast strings; branch trace store and precise sampling are not available. */
const MISC_ENABLE = 0x1801n;
const PAT = 0x0007_0406_0007_0406n;
const APIC_BASE = 0xfee0_0800n;
const APIC_BASE_BSP = 0x100n;
const ADDRESS_MASK = (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n;

/** How one register behaves. A write returns false for #GP(0). */
interface Msr {
  read(core: Core): bigint;
  write(core: Core, value: bigint): boolean;
}

const REGISTERS = new Map<number, Msr>();
/** State offset and power-on value of the registers that are kept as they are written. */
const RESET_VALUES: [offset: number, value: bigint][] = [];
const STATE_OFFSETS = new Map<number, number>();
/** The first belongs to {@link TSC_ADJUST}. */
let nextOffset = MSRS + 8;

function stored(index: number, accepts: (value: bigint) => boolean, reset = 0n): void {
  const offset = nextOffset;
  nextOffset += 8;
  RESET_VALUES.push([offset, reset]);
  STATE_OFFSETS.set(index, offset);
  at(index, offset, accepts);
}

function at(index: number, offset: number, accepts: (value: bigint) => boolean): void {
  REGISTERS.set(index, {
    read: (core) => core.big(offset),
    write: (core, value) => {
      if (!accepts(value)) return false;
      core.setBig(offset, value);
      return true;
    },
  });
}

function constant(index: number, value: (core: Core) => bigint, ignoresWrites = false): void {
  REGISTERS.set(index, {
    read: value,
    write: (core, written) => ignoresWrites || written === value(core),
  });
}

const readOnly = (index: number, value: bigint): void => {
  REGISTERS.set(index, { read: () => value, write: () => false });
};
const anything = (): boolean => true;
const canonical = (value: bigint): boolean =>
  BigInt.asUintN(64, BigInt.asIntN(48, value)) === value;
const below32 = (value: bigint): boolean => value <= 0xffff_ffffn;
const only =
  (mask: bigint) =>
  (value: bigint): boolean =>
    (value & ~mask) === 0n;

/** Memory types (Intel SDM vol. 3, table 12-10); the PAT also knows UC- (7). */
function areMemoryTypes(value: bigint, count: number, highest: 6 | 7): boolean {
  for (let k = 0; k < count; k++) {
    const type = Number((value >> BigInt(8 * k)) & 0xffn);
    if (type > highest || type === 2 || type === 3) return false;
  }
  return true;
}

readOnly(IA32_PLATFORM_ID, 0n);
readOnly(MSR_SMI_COUNT, 0n);
readOnly(IA32_FEATURE_CONTROL, FEATURE_CONTROL);
readOnly(IA32_MTRRCAP, MTRRCAP);
readOnly(IA32_MCG_CAP, 0n);
constant(IA32_APIC_BASE, (core) => APIC_BASE | (core.index === 0 ? APIC_BASE_BSP : 0n));
constant(IA32_BIOS_UPDT_TRIG, () => 0n, true);
constant(IA32_BIOS_SIGN_ID, () => MICROCODE_REVISION, true);
constant(IA32_DEBUGCTL, () => 0n);
stored(IA32_MCG_STATUS, only(0n));
stored(IA32_MISC_ENABLE, anything, MISC_ENABLE);
stored(IA32_SYSENTER_CS, below32);
stored(IA32_SYSENTER_ESP, canonical);
stored(IA32_SYSENTER_EIP, canonical);
for (let k = 0; k < MTRR_VARIABLE_COUNT; k++) {
  stored(
    IA32_MTRR_PHYSBASE0 + 2 * k,
    (value) => (value & ~(ADDRESS_MASK & ~0xf00n)) === 0n && areMemoryTypes(value, 1, 6),
  );
  stored(IA32_MTRR_PHYSBASE0 + 2 * k + 1, only(ADDRESS_MASK & ~0x7ffn));
}
for (const index of MTRR_FIXED) stored(index, (value) => areMemoryTypes(value, 8, 6));
stored(IA32_PAT, (value) => areMemoryTypes(value, 8, 7), PAT);
stored(IA32_MTRR_DEF_TYPE, (value) => (value & ~0xcffn) === 0n && areMemoryTypes(value, 1, 6));
stored(IA32_STAR, anything);
stored(IA32_LSTAR, canonical);
stored(IA32_CSTAR, canonical);
stored(IA32_FMASK, below32);
stored(IA32_KERNEL_GS_BASE, canonical);
stored(IA32_TSC_AUX, below32);
at(IA32_FS_BASE, segmentField(FS, SEGMENT_BASE), canonical);
at(IA32_GS_BASE, segmentField(GS, SEGMENT_BASE), canonical);
at(IA32_TSC_ADJUST, TSC_ADJUST, anything);
REGISTERS.set(IA32_TSC, {
  read: (core) => {
    readTimeStamp(core);
    return (BigInt(timeStamp.hi) << 32n) | BigInt(timeStamp.lo);
  },
  write: (core, value) => {
    core.setBig(TSC_ADJUST, BigInt.asUintN(64, value - BigInt(unadjustedTicks(core))));
    return true;
  },
});
REGISTERS.set(IA32_EFER, { read: (core) => core.big(EFER), write: writeEfer });

/** LMA follows from LME and CR0.PG; LME may change only while paging is off. */
function writeEfer(core: Core, value: bigint): boolean {
  if ((value & ~BigInt(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) !== 0n) return false;
  const before = core.get(EFER);
  const after = (Number(value) & ~EFER_LMA) | (before & EFER_LMA);
  if ((before ^ after) & EFER_LME && core.get(CR0) & CR0_PG) return false;
  core.set(EFER, after);
  if ((before ^ after) & EFER_NXE) core.flushTlb();
  core.modeChanged();
  return true;
}

/** State offset of a register that is kept as it is written. */
export function msrOffset(index: number): number {
  const offset = STATE_OFFSETS.get(index);
  if (offset === undefined) throw new Error(`MSR 0x${index.toString(16)} is not kept in the state`);
  return offset;
}

/** undefined: there is no such register, RDMSR raises #GP(0). */
export function readMsr(core: Core, index: number): bigint | undefined {
  return REGISTERS.get(index)?.read(core);
}

/** False: no such register or a reserved value; WRMSR raises #GP(0). */
export function writeMsr(core: Core, index: number, value: bigint): boolean {
  return REGISTERS.get(index)?.write(core, value) ?? false;
}

/** All of them as after power-on. */
export function resetMsrs(core: Core): void {
  core.setBig(TSC_ADJUST, 0n);
  for (const [offset, value] of RESET_VALUES) core.setBig(offset, value);
}

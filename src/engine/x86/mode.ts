/**
 * What decoding and lifting depend on besides the bytes. Two CPUs in equal
 * modes share decoded blocks.
 */
export const MODE_CODE_32 = 1;
export const MODE_CODE_64 = 2;
/** Stack pointer is ESP (in 64-bit mode: RSP, with {@link MODE_CODE_64}). */
export const MODE_STACK_32 = 4;
/** CR0.PE set and not virtual-8086. */
export const MODE_PROTECTED = 8;
export const MODE_V86 = 16;
export const MODE_CPL_0 = 32;
export const MODE_CPL_3 = 64;
/** CR0.TS set: x87, MMX and SSE raise #NM. */
export const MODE_TS = 128;
/** CR0.EM set: SSE and MMX raise #UD, x87 #NM. */
export const MODE_EM = 256;
/** CR4.OSFXSR set. */
export const MODE_OSFXSR = 512;
/** EFER.LMA: IA-32e mode, so SYSCALL and the like differ. */
export const MODE_LMA = 1024;
/** CR4.OSXSAVE and bits 2:1 of XCR0 set: AVX is on. */
export const MODE_AVX = 2048;
/** What the CPU lacks of x86-64-v3, in levels: 0, 1 or 2. */
const MODE_LEVEL_SHIFT = 12;
/** Modes are less than this. */
export const MODE_COUNT = 4 << MODE_LEVEL_SHIFT;

/** Level of the x86-64 ABI: what instructions there are beyond the first of them. */
export type Level = 1 | 2 | 3;

export function levelOf(mode: number): Level {
  return (3 - (mode >> MODE_LEVEL_SHIFT)) as Level;
}

export function levelBits(level: Level): number {
  return (3 - level) << MODE_LEVEL_SHIFT;
}

export function codeBits(mode: number): 16 | 32 | 64 {
  return mode & MODE_CODE_64 ? 64 : mode & MODE_CODE_32 ? 32 : 16;
}

export function stackBits(mode: number): 16 | 32 | 64 {
  return mode & MODE_CODE_64 ? 64 : mode & MODE_STACK_32 ? 32 : 16;
}

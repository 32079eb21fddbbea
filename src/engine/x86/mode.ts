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

export function codeBits(mode: number): 16 | 32 | 64 {
  return mode & MODE_CODE_64 ? 64 : mode & MODE_CODE_32 ? 32 : 16;
}

export function stackBits(mode: number): 16 | 32 | 64 {
  return mode & MODE_CODE_64 ? 64 : mode & MODE_STACK_32 ? 32 : 16;
}

/**
 * What surrounds a case: the same linear addresses and segments on the host CPU and in the engine.
 * Everything between is unmapped in both, so an access that goes astray faults in both.
 */

/** Executable and readable, full of HLT; a case's instruction stands at its `start`. */
export const CODE = 0x1000_0000;
export const CODE_BYTES = 0x4000;
/** Readable and writable, zero but for the case's memory. */
export const DATA = 0x2000_0000;
export const DATA_BYTES = 0x2000;
/** Offset of the case's memory in it: its middle is a page boundary. */
export const MEMORY = 0xe00;
export const MEMORY_BYTES = 0x400;

/** Linux's user segments. */
export const CODE_64 = 0x33;
export const CODE_32 = 0x23;
export const FLAT_DATA = 0x2b;

export interface LdtSegment {
  readonly base: number;
  /** In bytes. */
  readonly limit: number;
  readonly code: boolean;
  /** D/B: 32-bit code, or a stack pointer of 32 bits. */
  readonly big: boolean;
}

/** Where the data region starts in a based segment: in reach of 16-bit addresses. */
export const BASED_OFFSET = 0x8000;
const BASED = { base: DATA - BASED_OFFSET, limit: BASED_OFFSET + DATA_BYTES - 1, code: false };

/** The local descriptor table, from entry 0. */
export const LDT: readonly LdtSegment[] = [
  { base: CODE, limit: 0xffff, code: true, big: false },
  { ...BASED, big: true },
  { ...BASED, big: false },
];
export const CODE_16 = 0x07;
export const BASED_32 = 0x0f;
export const BASED_16 = 0x17;

/** Base that a data or stack selector gives. */
export function baseOf(selector: number): number {
  return selector & 4 ? (LDT[selector >> 3]?.base ?? 0) : 0;
}

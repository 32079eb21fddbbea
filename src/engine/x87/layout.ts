/**
 * Where the x87 state lies: one window of {@link WINDOW_BYTES} bytes in the engine's
 * memory, read and written by {@link X87} and by generated code alike. All offsets
 * are bytes from the window's start, which is a multiple of 16. Little-endian.
 *
 * | offset | bytes | content                                                          |
 * |-------:|------:|------------------------------------------------------------------|
 * |   0x00 |   128 | physical registers R0..R7, 16 bytes each: significand (8 bytes,   |
 * |        |       | also MM0..MM7), sign and exponent (2), the rest is not used       |
 * |   0x80 |     4 | control word                                                     |
 * |   0x84 |     4 | status word, TOP, ES and B included                              |
 * |   0x88 |     4 | abridged tags: bit i is set when Ri is not empty (as in FXSAVE)   |
 * |   0x8c |     4 | opcode of the last non-control instruction, 11 bits              |
 * |   0x90 |    16 | its offset (8 bytes) and CS selector (4), then nothing           |
 * |   0xa0 |    16 | its operand's offset (8 bytes) and selector (4), then nothing    |
 * |   0xb0 |     4 | EFLAGS: read by FCMOVcc; CF, PF and ZF written by FCOMI          |
 * |   0xc0 |   160 | operand: the instruction's memory operand as it stands in memory |
 *
 * Words of 16 bits stand zero-extended in 4 bytes. An MMX instruction that writes
 * MMi also stores 0xffff at `REGISTERS + 16 * i + SIGN_EXPONENT`.
 */
export const REGISTERS = 0x00;
export const REGISTER_BYTES = 16;
/** Offset of sign and exponent inside a register. */
export const SIGN_EXPONENT = 8;
export const CONTROL_WORD = 0x80;
export const STATUS_WORD = 0x84;
export const TAGS = 0x88;
export const LAST_OPCODE = 0x8c;
export const INSTRUCTION_POINTER = 0x90;
export const INSTRUCTION_SELECTOR = 0x98;
export const DATA_POINTER = 0xa0;
export const DATA_SELECTOR = 0xa8;
export const EFLAGS = 0xb0;
export const OPERAND = 0xc0;
/** The x87 part of an FXSAVE image is the largest operand. */
export const OPERAND_BYTES = 160;
/** Where the quick functions have a number of 16 bytes that is in no register; images do without them. */
export const NUMBER = 0xd0;
export const WINDOW_BYTES = 0x160;

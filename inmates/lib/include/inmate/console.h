/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Text output to the cell's console.
 *
 * The console is an 8250-compatible UART as the cell's configuration describes it, and, where the cell
 * is told to use it, the hypervisor's own console by hypercall. The command line overrides it:
 *
 * | parameter           | meaning                                                          |
 * |---------------------|------------------------------------------------------------------|
 * | con-type=8250       | UART; any other word: none (the word is not checked further)     |
 * | con-base=ADDRESS    | its first port or its guest-physical address                     |
 * | con-divider=N       | program baud rate divisor N (1 to 65535) and 8N1                 |
 * | con-is-mmio=BOOL    | registers in memory                                              |
 * | con-regdist-1=BOOL  | registers one byte apart (false: four, 32 bits wide)             |
 * | con-virtual=BOOL    | also print through the hypervisor, if the cell may               |
 */
#ifndef INMATE_CONSOLE_H
#define INMATE_CONSOLE_H

#include <stdarg.h>
#include <stddef.h>

/** Finds the console. Called by the library before inmate_main(). */
void console_init(void);

/**
 * Formatted output. Conversions: d i u x X c s p %%; length modifiers l, ll and z; a decimal width,
 * padded with blanks, with zeros (flag 0), or on the right (flag -); precision for s. Pointers print
 * as 0x and all digits. A newline is sent as CR LF. One call is printed in one piece, also when
 * several CPUs or interrupt handlers print.
 *
 * @return number of characters before the CRs were added
 */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/** The same into memory. Always ends with a NUL if `size` > 0. Returns the untruncated length. */
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/** For a CPU that dies: from now on print even if another CPU, or itself, was in the middle of it. */
void console_take_over(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an inmate lies in the cell's memory. Run through the C preprocessor for one of two starts:
 *
 * BOOT_ADDRESS_ZERO   the CPUs start at address 0, as cells of configuration revision 8 and later do
 *     0x00000  real-mode entry (also the SIPI entry, vector 0)
 *     0x01000  command line, 256 bytes
 *     0x01100  code, constants, data, zeroed data, first stack, then heap up to RAM_END
 *
 * BOOT_RESET_VECTOR   the CPUs start at 0xffff0, as cells of revisions 3 and 4 do; 64 KiB image
 *     0x01000  zeroed data, first stack, then heap up to RAM_END
 *     0xf0000  command line, 256 bytes
 *     0xf1000  real-mode entry (also the SIPI entry, vector 0xf1), code, constants, data
 *     0xffff0  reset vector
 *
 * RAM_END is given by the Makefile: the end of the RAM that begins at address 0.
 */
ENTRY(boot16)

#ifdef BOOT_RESET_VECTOR
#define IMAGE_START 0xf0000
#define COMMAND_LINE 0xf0000
#define ENTRY_START 0xf1000
#else
#define IMAGE_START 0
#define COMMAND_LINE 0x1000
#define ENTRY_START 0
#endif

SECTIONS
{
#ifdef BOOT_RESET_VECTOR
    .command_line COMMAND_LINE : { KEEP(*(.command_line)) }
    .boot ENTRY_START : { KEEP(*(.boot)) }
#else
    .boot ENTRY_START : { KEEP(*(.boot)) }
    ASSERT(. <= COMMAND_LINE, "the entry code runs into the command line buffer")
    .command_line COMMAND_LINE : { KEEP(*(.command_line)) }
#endif
    .text : { *(.text .text.*) }
    .rodata : ALIGN(16) { *(.rodata .rodata.*) }
    .data : ALIGN(16) { *(.data .data.*) }
    .page_tables : ALIGN(4096) { KEEP(*(.page_tables)) }
    image_end = .;

#ifdef BOOT_RESET_VECTOR
    ASSERT(. <= 0xffff0, "the image is larger than the 64 KiB below the reset vector")
    .reset_vector 0xffff0 : {
        KEEP(*(.reset_vector))
        . = ALIGN(16);
    }
    heap_limit = IMAGE_START;
    . = 0x1000;
#else
    heap_limit = RAM_END;
#endif
    .bss : ALIGN(16) {
        bss_start = .;
        *(.bss .bss.* COMMON)
        . = ALIGN(16);
        bss_end = .;
    }
    .stack (NOLOAD) : ALIGN(16) {
        KEEP(*(.stack))
        boot_stack_top = .;
    }
    heap_start = ALIGN(4096);
    ASSERT(heap_start <= heap_limit, "code, data and stack are larger than the cell's RAM")

    /DISCARD/ : { *(.eh_frame*) *(.note*) *(.comment) }
}

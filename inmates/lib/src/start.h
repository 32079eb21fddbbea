/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that the assembly code calls, and symbols that it and the linker script define. */
#ifndef START_H
#define START_H

#include <stdint.h>

/* boot.S */
extern char command_line[256];
extern volatile uint32_t smp_registered;
extern volatile uint32_t smp_mailbox_target;
extern void *volatile smp_mailbox_stack;
extern volatile uint8_t smp_apic_ids[256];
extern uint64_t page_table_root[512];
extern char boot16[];

/* the linker script */
extern char heap_start[], heap_limit[];

/* C functions called from assembly code */
void inmate_boot(void);
void smp_secondary_main(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Interrupts and exceptions. 64-bit inmates only.
 *
 * Before interrupts_init() there is no interrupt descriptor table: any exception ends in a triple
 * fault, which the hypervisor reports and answers by parking the CPU.
 */
#ifndef INMATE_INTERRUPT_H
#define INMATE_INTERRUPT_H

#include <stdint.h>

/** Called with interrupts disabled. Afterwards the library signals end of interrupt. */
typedef void interrupt_handler(uint8_t vector);

/**
 * Installs the table and enables the APIC; does not enable interrupts. CPUs started by smp_start()
 * later get the same table. Exceptions without a handler print a report with vector, error code and
 * registers, set the cell's state to failed and halt the CPU.
 */
void interrupts_init(void);

/** Handler of a vector, 0 to 254; null removes it. Interrupts without one are reported and dropped. */
void interrupt_set_handler(uint8_t vector, interrupt_handler *handler);

/** For the library: loads the table on another CPU, if it was installed. */
void interrupts_init_secondary(void);

#endif

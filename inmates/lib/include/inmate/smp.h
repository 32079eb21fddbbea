/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Several CPUs. All CPUs of a cell start together; the first becomes the boot CPU and runs
 * inmate_main(), the others halt until smp_start(). 64-bit inmates only.
 */
#ifndef INMATE_SMP_H
#define INMATE_SMP_H

#include <stdbool.h>
#include <stdint.h>

/** Runs on the started CPU with interrupts disabled; when it returns, the CPU halts. */
typedef void smp_entry(void);

/**
 * Waits until every CPU of the cell has shown up (at most `timeout_us` microseconds).
 * @return the number of CPUs that did, the calling one included
 */
unsigned smp_wait_for_cpus(uint64_t timeout_us);

/** APIC id of a CPU; index 0 is the boot CPU, the others follow in the order they showed up. */
uint32_t smp_apic_id(unsigned index);

/**
 * Starts a CPU by INIT and SIPI, on its own stack from the heap, at `entry`.
 * @return false if it did not come up within 100 ms
 */
bool smp_start(uint32_t target, smp_entry *entry);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Time: the ACPI PM timer (3.579545 MHz, 24 bits) and the time-stamp counter.
 *
 * The TSC's frequency comes from the command line (tsc_freq=HZ), else from the communication region,
 * else it is measured against the PM timer for 100 ms at the first use. 64-bit inmates only.
 */
#ifndef INMATE_TIME_H
#define INMATE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define NANOSECONDS_PER_MILLISECOND UINT64_C(1000000)
#define NANOSECONDS_PER_SECOND UINT64_C(1000000000)

/** The cell was told where the PM timer is. */
bool pm_timer_available(void);

/**
 * Nanoseconds by the PM timer. The counter wraps every 4.68 s; a wrap is noticed only if this (or a
 * delay) is called at least that often. To be used by one CPU.
 */
uint64_t pm_timer_ns(void);

uint64_t tsc_frequency_hz(void);
uint64_t tsc_to_ns(uint64_t ticks);
uint64_t ns_to_tsc(uint64_t ns);

/** Nanoseconds by the TSC since it was 0. */
uint64_t time_ns(void);

/** Waits actively: by the PM timer if there is one, else by the TSC. Any CPU may call it. */
void delay_us(uint64_t microseconds);

#endif

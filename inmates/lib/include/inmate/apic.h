/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The local APIC through its x2APIC registers (which the hypervisor provides also where the machine
 * runs in xAPIC mode): end of interrupt, timer, interprocessor interrupts. 64-bit inmates only.
 */
#ifndef INMATE_APIC_H
#define INMATE_APIC_H

#include <stdbool.h>
#include <stdint.h>

/** Vector of spurious interrupts; the APIC expects no end-of-interrupt for it. */
#define APIC_SPURIOUS_VECTOR 0xff

/** Enables the APIC of the calling CPU. interrupts_init() does so for the CPU that calls it. */
void apic_enable(void);

/** APIC id of the calling CPU. */
uint32_t apic_id(void);

/** Tells the APIC that the handler is done. interrupts dispatched by the library do it themselves. */
void apic_end_of_interrupt(void);

enum apic_timer_mode {
    APIC_TIMER_ONE_SHOT,
    APIC_TIMER_PERIODIC,
    APIC_TIMER_TSC_DEADLINE, /**< only if apic_timer_has_tsc_deadline() */
};

bool apic_timer_has_tsc_deadline(void);

/**
 * Input clock of the APIC timer: the command line's apic_freq=HZ, else the communication region's value, else
 * measured for 100 ms by the PM timer or the TSC. The library lets the timer count every 16th tick.
 */
uint64_t apic_timer_frequency_hz(void);

/** Chooses mode and interrupt vector (32 to 254). The timer does not run before one of the next is called. */
void apic_timer_setup(enum apic_timer_mode mode, uint8_t vector);

/** One-shot: interrupt once, `ns` from now. Periodic: every `ns`. TSC deadline: once, `ns` from now. */
void apic_timer_start(uint64_t ns);

/**
 * Interrupt once when the TSC reaches `tsc`; at once if it did already. Exact in TSC-deadline mode,
 * in one-shot mode by the remaining time. Not for periodic mode.
 */
void apic_timer_start_at(uint64_t tsc);

void apic_timer_stop(void);

/** Sends an interrupt to the CPU with that APIC id. It must belong to the cell. */
void apic_send_interrupt(uint32_t target, uint8_t vector);

/** INIT: stops the target CPU until a start-up interrupt. */
void apic_send_init(uint32_t target);

/** Start-up interrupt: the target CPU begins in real mode at address vector * 0x1000. */
void apic_send_startup(uint32_t target, uint8_t vector);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/** @file The control cycle: a thousand times a second, by the local APIC's timer. */
#ifndef CYCLE_H
#define CYCLE_H

/** Length of a cycle in seconds. */
#define CYCLE_S 0.001

/** Calls `step` every cycle, until the cell is asked to shut down; then shuts it down. After interrupts_init(). */
__attribute__((noreturn)) void cycle_run(void (*step)(void));

#endif

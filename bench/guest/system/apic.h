/* SPDX-License-Identifier: Apache-2.0 */
/* The local APIC (Intel SDM vol. 3, chapter 11). */
#ifndef APIC_H
#define APIC_H

#define LAPIC 0xfee00000
#define LAPIC_VERSION 0x30
#define LAPIC_EOI 0xb0
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_COMMAND 0x300
#define LAPIC_DESTINATION 0x310
#define LAPIC_TIMER 0x320
#define LAPIC_LINT0 0x350
#define LAPIC_INITIAL_COUNT 0x380
#define LAPIC_DIVIDE 0x3e0

#define SPURIOUS_ENABLE 0x1ff
#define LVT_MASKED 0x10000
#define TIMER_PERIODIC 0x20000
#define DIVIDE_BY_1 0xb
#define COMMAND_INIT 0x4500
#define COMMAND_START_UP 0x4600
#define COMMAND_SELF 0x40000

/* Of QEMU and of Gaoler alike. */
#define BUS_HZ 1000000000

#define TIMER_VECTOR 0x40
#define CALL_VECTOR 0x41
#define ANSWER_VECTOR 0x42

#ifndef __ASSEMBLER__
#include <stdint.h>

static inline volatile uint32_t *apic(uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(LAPIC + offset);
}

/* Interrupts by message and by timer, and no others. */
void enable_apic(void);
#endif

#endif

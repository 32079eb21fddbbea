/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts that the CPU sends to itself, by message and by timer. */
#include "apic.h"

#include "system.h"

#define PIC_PRIMARY_MASK 0x21
#define PIC_SECONDARY_MASK 0xa1

#define TICKS_PER_SECOND 10000
#define TURNS 50000

extern const uint8_t timer_interrupt[];
extern volatile uint64_t timer_interrupts;

/* As in the workload of this name, which has no timer. */
uint64_t integer_loop(uint64_t turns);

void enable_apic(void)
{
    /* The firmware's timer: the request is taken back at the chip, as its way to the CPU is open still. */
    out8(PIC_PRIMARY_MASK, 0xff);
    out8(PIC_SECONDARY_MASK, 0xff);
    *apic(LAPIC_SPURIOUS) = SPURIOUS_ENABLE;
    *apic(LAPIC_LINT0) = LVT_MASKED;
}

void prepare_self_interrupts(void)
{
    enable_apic();
}

/* With interrupts on for an instruction; some CPUs need more than one of them. */
uint64_t self_interrupts_round(void)
{
    uint64_t count = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t before = count;
        *apic(LAPIC_COMMAND) = COMMAND_SELF | COUNTING_VECTOR;
        while (count == before)
            asm volatile("sti; nop; cli" : "+a"(count) : : "memory");
        *apic(LAPIC_EOI) = 0;
    }
    return count;
}

static void use_timer(uint32_t mode)
{
    enable_apic();
    set_interrupt(TIMER_VECTOR, timer_interrupt);
    *apic(LAPIC_DIVIDE) = DIVIDE_BY_1;
    *apic(LAPIC_TIMER) = mode | TIMER_VECTOR;
}

/* Two ticks say that it goes on by itself. */
void prepare_timer(void)
{
    use_timer(TIMER_PERIODIC);
    *apic(LAPIC_INITIAL_COUNT) = BUS_HZ / TICKS_PER_SECOND;
    asm volatile("sti");
    while (timer_interrupts < 2)
        asm volatile("pause");
}

/* A piece of computing that the timer interrupts. How often depends on how long it takes. */
uint64_t timer_round(void)
{
    return integer_loop(TURNS);
}

void prepare_one_shot(void)
{
    use_timer(0);
}

/* Sleeps until its own timer, set to the next tick, wakes it. */
uint64_t one_shot_round(void)
{
    uint64_t start = timer_interrupts;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t before = timer_interrupts;
        *apic(LAPIC_INITIAL_COUNT) = 1;
        while (timer_interrupts == before)
            asm volatile("sti; hlt; cli" : : : "memory");
    }
    return timer_interrupts - start;
}

/* What the chip answers is the machine's affair; that it is a local APIC of this kind is not. */
uint64_t apic_reads_round(void)
{
    uint64_t integrated = 0;
    for (int k = 0; k < OPERATIONS; k++)
        integrated += (*apic(LAPIC_VERSION) & 0xf0) == 0x10;
    return integrated;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts to another CPU, which sleeps and answers each with one of its own. */
#include "apic.h"
#include "system.h"

/* Where a CPU starts: below 1 MiB, at a multiple of 4 KiB. */
#define START_PAGE 8
#define SECOND_CPU ((uint32_t)1 << 24)

extern const uint8_t start_code[], start_code_end[];
extern const uint8_t call_interrupt[], answer_interrupt[];
extern volatile uint64_t second_cpu_ready, answers;

/* On the second CPU. */
void second_cpu_main(void)
{
    use_interrupts();
    enable_apic();
    second_cpu_ready = 1;
    for (;;)
        asm volatile("sti; hlt");
}

static void command(uint32_t low)
{
    *apic(LAPIC_DESTINATION) = SECOND_CPU;
    *apic(LAPIC_COMMAND) = low;
}

void prepare_second_cpu(void)
{
    volatile uint8_t *start = (volatile uint8_t *)(uintptr_t)(START_PAGE * PAGE_BYTES);
    for (const uint8_t *from = start_code; from < start_code_end; from++)
        *start++ = *from;
    enable_apic();
    set_interrupt(CALL_VECTOR, call_interrupt);
    set_interrupt(ANSWER_VECTOR, answer_interrupt);
    command(COMMAND_INIT);
    command(COMMAND_START_UP | START_PAGE);
    while (!second_cpu_ready)
        asm volatile("pause");
}

uint64_t between_cpus_round(void)
{
    uint64_t start = answers;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t before = answers;
        command(CALL_VECTOR);
        while (answers == before)
            asm volatile("sti; hlt; cli" : : : "memory");
    }
    return answers - start;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Counts interrupts from the root cell, which asks for the next one by a word in shared memory. */
#include "inmate.h"

#define VECTOR 32
#define READY 1

static volatile unsigned count;

static void on_interrupt(uint8_t vector)
{
    (void)vector;
    count++;
}

void inmate_main(void)
{
    struct ivshmem link;

    if (!ivshmem_open(&link, 0))
        return;
    interrupts_init();
    for (uint8_t index = 0; index < 4; index++)
        interrupt_set_handler(VECTOR + index, on_interrupt);
    bool one_shot = ivshmem_set_one_shot(&link, true);
    bool interrupts = ivshmem_enable_interrupts(&link, VECTOR);
    printf("version %u, one shot %d, vectors %u, interrupts %d\n", link.version, one_shot,
           (unsigned)link.vectors, interrupts);
    cpu_enable_interrupts();
    ivshmem_set_state(&link, READY);

    volatile uint32_t *next = link.common;
    for (;;) {
        while (!*next)
            ;
        *next = 0;
        printf("%u\n", count);
        ivshmem_rearm(&link);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the cell's other CPUs one after the other; each says hello and sends an interrupt back. */
#include "inmate.h"

#define IPI_VECTOR 40
#define WAIT_FOR_CPUS_US (1000 * 1000)

static uint32_t primary;
static volatile unsigned received;

static void on_ipi(uint8_t vector)
{
    (void)vector;
    printf("Received IPI on %u\n", apic_id());
    received++;
}

static void secondary_main(void)
{
    printf("Hello from CPU %u!\n", apic_id());
    apic_send_interrupt(primary, IPI_VECTOR);
}

void inmate_main(void)
{
    interrupts_init();
    interrupt_set_handler(IPI_VECTOR, on_ipi);
    primary = apic_id();

    printf("SMP demo, primary CPU: %u\n", primary);
    printf("Waiting for the rest...");
    unsigned cpus = smp_wait_for_cpus(WAIT_FOR_CPUS_US);
    printf("\nFound %u other CPU(s)\n", cpus - 1);

    for (unsigned index = 1; index < cpus; index++) {
        uint32_t id = smp_apic_id(index);
        unsigned before = received;

        printf(" Starting CPU %u\n", id);
        if (!smp_start(id, secondary_main)) {
            printf("CPU %u does not start\n", id);
            continue;
        }
        while (received == before)
            cpu_wait_for_interrupt();
    }
}

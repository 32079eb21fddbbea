/* SPDX-License-Identifier: Apache-2.0 */
#include "cycle.h"
#include "inmate.h"

#define TIMER_VECTOR 32
#define CYCLE_NS NANOSECONDS_PER_MILLISECOND

static volatile unsigned due;

static void on_timer(uint8_t vector)
{
    (void)vector;
    due++;
}

void cycle_run(void (*step)(void))
{
    unsigned done = 0;

    interrupt_set_handler(TIMER_VECTOR, on_timer);
    apic_timer_setup(APIC_TIMER_PERIODIC, TIMER_VECTOR);
    apic_timer_start(CYCLE_NS);
    while (!comm_shutdown_requested()) {
        for (; done != due; done++)
            step();
        cpu_wait_for_interrupt();
    }
    apic_timer_stop();
    printf("Stopped\n");
    comm_shut_down();
}

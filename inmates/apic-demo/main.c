/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures how late timer interrupts arrive: the local APIC's timer fires every 100 ms, and the handler
 * compares the TSC with the time it asked for. Runs until management asks twice for a shutdown.
 *
 * The cell is locked while the demo runs: no other cell can be created or destroyed.
 * Command line: pollute-cache  keep walking through memory, to see the effect on the jitter
 */
#include "inmate.h"

#define TIMER_VECTOR 32
#define PERIOD_NS (100 * NANOSECONDS_PER_MILLISECOND)

#define POLLUTED_BYTES 0x40000
#define CACHE_LINE 64

static uint64_t expected_tsc;
static uint64_t min_ns = UINT64_MAX, max_ns;

static void on_timer(uint8_t vector)
{
    uint64_t jitter_ns = tsc_to_ns(tsc_read() - expected_tsc);
    (void)vector;

    if (jitter_ns < min_ns)
        min_ns = jitter_ns;
    if (jitter_ns > max_ns)
        max_ns = jitter_ns;
    printf("Timer fired, jitter: %6ld ns, min: %6ld ns, max: %6ld ns\n", jitter_ns, min_ns, max_ns);

    expected_tsc += ns_to_tsc(PERIOD_NS);
    apic_timer_start_at(expected_tsc);
}

static void init_timer(void)
{
    bool deadline = apic_timer_has_tsc_deadline();
    uint64_t tsc_hz = tsc_frequency_hz();
    uint64_t timer_hz = deadline ? tsc_hz : apic_timer_frequency_hz();

    printf("Calibrated TSC frequency: %lu.%03lu kHz\n", tsc_hz / 1000, tsc_hz % 1000);
    printf("Calibrated APIC frequency: %lu kHz\n", timer_hz / 1000);

    interrupts_init();
    interrupt_set_handler(TIMER_VECTOR, on_timer);
    apic_timer_setup(deadline ? APIC_TIMER_TSC_DEADLINE : APIC_TIMER_ONE_SHOT, TIMER_VECTOR);
    expected_tsc = tsc_read() + ns_to_tsc(NANOSECONDS_PER_MILLISECOND);
    apic_timer_start_at(expected_tsc);
}

static void pollute(volatile char *memory)
{
    for (unsigned offset = 0; offset < POLLUTED_BYTES; offset += CACHE_LINE)
        memory[offset]++;
}

void inmate_main(void)
{
    char *polluted = NULL;
    bool rejected = false;

    comm_set_state(CELL_RUNNING_LOCKED);

    if (cmdline_boolean("pollute-cache", false)) {
        polluted = heap_allocate(POLLUTED_BYTES, CACHE_LINE);
        printf("Cache pollution enabled\n");
    }
    init_timer();

    for (;;) {
        if (comm_shutdown_requested()) {
            if (rejected)
                break;
            printf("Rejecting first shutdown request - try again!\n");
            comm_reply(COMM_REQUEST_DENIED);
            rejected = true;
        }
        if (polluted) {
            cpu_enable_interrupts();
            pollute(polluted);
            cpu_disable_interrupts();
        } else {
            cpu_wait_for_interrupt();
        }
    }

    apic_timer_stop();
    printf("Stopped APIC demo\n");
    comm_shut_down();
}

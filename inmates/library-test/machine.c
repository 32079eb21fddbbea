/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#define VECTOR 0x21
#define BREAKPOINT_VECTOR 3

static volatile unsigned count;
static volatile double disturbed;

static void on_interrupt(uint8_t vector)
{
    if (vector == VECTOR)
        count++;
    disturbed = disturbed * 1.5 + 1; /* changes SSE registers under the interrupted code */
}

static void on_breakpoint(uint8_t vector)
{
    count += vector;
}

/* Waits for `wanted` interrupts, at most one second. */
static void wait_for(unsigned wanted)
{
    uint64_t end = time_ns() + NANOSECONDS_PER_SECOND;

    cpu_enable_interrupts();
    while (count < wanted && time_ns() < end)
        cpu_relax();
    cpu_disable_interrupts();
}

static void test_time(void)
{
    uint64_t tsc_start = time_ns(), pm_start = pm_timer_ns();
    delay_us(20000);
    uint64_t tsc = time_ns() - tsc_start, pm = pm_timer_ns() - pm_start;

    printf("       delay of 20 ms: TSC %lu ns, PM timer %lu ns\n", tsc, pm);
    check(tsc >= 19900000 && pm >= 19900000, "delay_us waits");
    /* 5 per cent: the two are read one after the other, and a read may be slow */
    check(tsc < pm + pm / 20 && pm < tsc + tsc / 20, "TSC and PM timer agree");
    check(tsc_to_ns(tsc_frequency_hz() * 100000) == 100000 * NANOSECONDS_PER_SECOND, "tsc_to_ns of a day");
    check(ns_to_tsc(NANOSECONDS_PER_SECOND) == tsc_frequency_hz(), "ns_to_tsc of a second");
}

static void test_interrupts(void)
{
    interrupts_init();
    interrupt_set_handler(VECTOR, on_interrupt);
    interrupt_set_handler(BREAKPOINT_VECTOR, on_breakpoint);

    count = 0;
    __asm__ volatile("int3");
    check(count == BREAKPOINT_VECTOR, "an exception's handler returns");

    count = 0;
    apic_send_interrupt(apic_id(), VECTOR);
    check(count == 0, "interrupts are disabled at first");
    wait_for(1);
    check(count == 1, "interrupt to itself");
}

static void test_timer(enum apic_timer_mode mode, const char *what)
{
    unsigned wanted = mode == APIC_TIMER_PERIODIC ? 5 : 1;
    uint64_t start = time_ns();

    count = 0;
    apic_timer_setup(mode, VECTOR);
    apic_timer_start(5 * NANOSECONDS_PER_MILLISECOND);
    wait_for(wanted);
    uint64_t elapsed_ms = (time_ns() - start) / NANOSECONDS_PER_MILLISECOND;
    apic_timer_stop();
    check(count >= wanted && elapsed_ms >= 5 * wanted - 1, what);

    unsigned before = count;
    cpu_enable_interrupts();
    delay_us(10000);
    cpu_disable_interrupts();
    check(mode == APIC_TIMER_PERIODIC ? count <= before + 1 : count == before, "  and stops");
}

static void test_floating_point(void)
{
    double sum = 0;

    count = 0;
    apic_timer_setup(APIC_TIMER_PERIODIC, VECTOR);
    apic_timer_start(50000);
    cpu_enable_interrupts();
    for (int n = 1; n <= 200000 || (count < 3 && n < 100000000); n++)
        if (n <= 200000)
            sum += 1.0 / ((double)n * n);
    cpu_disable_interrupts();
    apic_timer_stop();
    /* pi^2 / 6 less the rest of the series, about 1 / 200000 */
    check(sum > 1.644929 && sum < 1.644930, "sum of doubles");
    check(count >= 3, "  with interrupts that use doubles too");
}

static void test_memory(void)
{
    char *first = heap_allocate(3, 1), *second = heap_allocate(100, 4096);

    check((uintptr_t)second % 4096 == 0 && second >= first + 3, "heap_allocate aligns");
    bool zero = true;
    for (int i = 0; i < 100; i++)
        zero = zero && second[i] == 0;
    check(zero, "heap memory is zero");

    /* A second look at the same page: mapping it again must not change what is there. */
    second[0] = 42;
    memory_map(0, 0x1000, MEMORY_CACHED);
    memory_map(0xfee00000, 0x1000, MEMORY_UNCACHED);
    memory_map(1ull << 40, 0x400000, MEMORY_UNCACHED);
    check(second[0] == 42, "memory_map");
}

static volatile bool went_by;
static double result_of_secondary;

static void secondary_main(void)
{
    result_of_secondary = (double)apic_id() + 0.5;
    went_by = true;
    apic_send_interrupt(smp_apic_id(0), VECTOR);
}

static void test_cpus(void)
{
    unsigned cpus = smp_wait_for_cpus(1000000);

    check(cpus == cell_facts.cpu_count, "every CPU shows up");
    for (unsigned index = 1; index < cpus; index++) {
        count = 0;
        went_by = false;
        check(smp_start(smp_apic_id(index), secondary_main), "another CPU starts");
        wait_for(1);
        check(went_by && count == 1, "  and sends an interrupt");
        check(result_of_secondary == smp_apic_id(index) + 0.5, "  and computes with doubles");
    }
}

void test_machine(void)
{
    test_time();
    test_interrupts();
    test_timer(APIC_TIMER_ONE_SHOT, "one-shot timer");
    test_timer(APIC_TIMER_PERIODIC, "periodic timer");
    if (apic_timer_has_tsc_deadline())
        test_timer(APIC_TIMER_TSC_DEADLINE, "TSC-deadline timer");
    test_floating_point();
    test_memory();
    test_cpus();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/time.h"
#include "inmate/cmdline.h"
#include "inmate/comm.h"
#include "inmate/cpu.h"

#define PM_TIMER_HZ 3579545ull
#define PM_TIMER_MASK 0xffffffu /* 24 bits are guaranteed */

#define CALIBRATION_US 100000

static uint64_t tsc_hz;

bool pm_timer_available(void)
{
    return cell_facts.pm_timer_port != 0;
}

static uint32_t pm_timer_read(void)
{
    return port_read32(cell_facts.pm_timer_port) & PM_TIMER_MASK;
}

uint64_t pm_timer_ns(void)
{
    static uint64_t ticks; /* extends the counter's 24 bits */

    ticks += (pm_timer_read() - (uint32_t)ticks) & PM_TIMER_MASK;
    /* In two parts: ticks times 10^9 would overflow after 86 minutes. */
    return ticks / PM_TIMER_HZ * NANOSECONDS_PER_SECOND +
           ticks % PM_TIMER_HZ * NANOSECONDS_PER_SECOND / PM_TIMER_HZ;
}

static void pm_timer_delay(uint64_t microseconds)
{
    uint64_t remaining = (microseconds * PM_TIMER_HZ + 999999) / 1000000;
    uint32_t last = pm_timer_read();

    for (;;) {
        uint32_t now = pm_timer_read();
        uint32_t elapsed = (now - last) & PM_TIMER_MASK;
        if (elapsed >= remaining)
            return;
        remaining -= elapsed;
        last = now;
        cpu_relax();
    }
}

uint64_t tsc_frequency_hz(void)
{
    if (tsc_hz == 0)
        tsc_hz = (uint64_t)cmdline_integer("tsc_freq", cell_facts.tsc_khz * 1000ll);
    if (tsc_hz == 0) {
        uint64_t start = tsc_read();
        pm_timer_delay(CALIBRATION_US);
        tsc_hz = (tsc_read() - start) * (1000000 / CALIBRATION_US);
    }
    return tsc_hz;
}

uint64_t tsc_to_ns(uint64_t ticks)
{
    uint64_t hz = tsc_frequency_hz();

    return ticks / hz * NANOSECONDS_PER_SECOND + ticks % hz * NANOSECONDS_PER_SECOND / hz;
}

uint64_t ns_to_tsc(uint64_t ns)
{
    uint64_t hz = tsc_frequency_hz();

    return ns / NANOSECONDS_PER_SECOND * hz + ns % NANOSECONDS_PER_SECOND * hz / NANOSECONDS_PER_SECOND;
}

uint64_t time_ns(void)
{
    return tsc_to_ns(tsc_read());
}

void delay_us(uint64_t microseconds)
{
    if (pm_timer_available()) {
        pm_timer_delay(microseconds);
        return;
    }
    uint64_t start = tsc_read(), ticks = ns_to_tsc(microseconds * 1000);
    while (tsc_read() - start < ticks)
        cpu_relax();
}

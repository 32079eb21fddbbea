/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/apic.h"
#include "inmate/cmdline.h"
#include "inmate/comm.h"
#include "inmate/cpu.h"
#include "inmate/time.h"

/* x2APIC registers (Intel SDM volume 3, "Local APIC register address map") */
#define X2APIC_ID 0x802
#define X2APIC_EOI 0x80b
#define X2APIC_SPURIOUS 0x80f
#define X2APIC_ICR 0x830
#define X2APIC_LVT_TIMER 0x832
#define X2APIC_TIMER_INITIAL 0x838
#define X2APIC_TIMER_CURRENT 0x839
#define X2APIC_TIMER_DIVIDE 0x83e

#define SPURIOUS_APIC_ENABLE 0x100u

#define ICR_FIXED 0x4000u /* level bit: assert */
#define ICR_INIT 0x4500u
#define ICR_STARTUP 0x4600u

#define LVT_MASKED 0x10000u
#define LVT_TIMER_MODE_SHIFT 17

#define TIMER_DIVIDE_BY_16 3u
#define TIMER_DIVIDER 16u

#define CALIBRATION_US 100000

static uint64_t timer_hz;
static enum apic_timer_mode timer_mode;

void apic_enable(void)
{
    msr_write(X2APIC_SPURIOUS, SPURIOUS_APIC_ENABLE | APIC_SPURIOUS_VECTOR);
}

uint32_t apic_id(void)
{
    return (uint32_t)msr_read(X2APIC_ID);
}

void apic_end_of_interrupt(void)
{
    msr_write(X2APIC_EOI, 0);
}

bool apic_timer_has_tsc_deadline(void)
{
    return cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE;
}

static uint64_t measure_timer_hz(void)
{
    msr_write(X2APIC_LVT_TIMER, LVT_MASKED | APIC_SPURIOUS_VECTOR);
    msr_write(X2APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    msr_write(X2APIC_TIMER_INITIAL, 0xffffffff);
    uint32_t start = (uint32_t)msr_read(X2APIC_TIMER_CURRENT);
    delay_us(CALIBRATION_US);
    uint32_t ticks = start - (uint32_t)msr_read(X2APIC_TIMER_CURRENT);
    msr_write(X2APIC_TIMER_INITIAL, 0);
    return (uint64_t)ticks * TIMER_DIVIDER * (1000000 / CALIBRATION_US);
}

uint64_t apic_timer_frequency_hz(void)
{
    if (timer_hz == 0)
        timer_hz = (uint64_t)cmdline_integer("apic_freq", cell_facts.apic_khz * 1000ll);
    if (timer_hz == 0)
        timer_hz = measure_timer_hz();
    return timer_hz;
}

void apic_timer_setup(enum apic_timer_mode mode, uint8_t vector)
{
    if (mode != APIC_TIMER_TSC_DEADLINE)
        apic_timer_frequency_hz();
    timer_mode = mode;
    msr_write(X2APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    msr_write(X2APIC_LVT_TIMER, (uint32_t)mode << LVT_TIMER_MODE_SHIFT | vector);
}

static void start_count(uint64_t ns)
{
    uint64_t hz = apic_timer_frequency_hz() / TIMER_DIVIDER;
    uint64_t ticks = ns / NANOSECONDS_PER_SECOND * hz +
                     ns % NANOSECONDS_PER_SECOND * hz / NANOSECONDS_PER_SECOND;

    /* 0 would stop the timer; beyond 32 bits the longest time has to do. */
    msr_write(X2APIC_TIMER_INITIAL, ticks == 0 ? 1 : ticks > 0xffffffff ? 0xffffffff : ticks);
}

void apic_timer_start(uint64_t ns)
{
    if (timer_mode == APIC_TIMER_TSC_DEADLINE)
        apic_timer_start_at(tsc_read() + ns_to_tsc(ns));
    else
        start_count(ns);
}

void apic_timer_start_at(uint64_t tsc)
{
    if (timer_mode == APIC_TIMER_TSC_DEADLINE) {
        msr_write(MSR_TSC_DEADLINE, tsc);
    } else {
        int64_t remaining = (int64_t)(tsc - tsc_read());
        start_count(remaining > 0 ? tsc_to_ns((uint64_t)remaining) : 0);
    }
}

void apic_timer_stop(void)
{
    msr_write(timer_mode == APIC_TIMER_TSC_DEADLINE ? MSR_TSC_DEADLINE : X2APIC_TIMER_INITIAL, 0);
}

static void send(uint32_t target, uint32_t command)
{
    /* Stores before must be visible to the target: a WRMSR to the x2APIC does not order them. */
    __asm__ volatile("mfence; lfence" : : : "memory");
    msr_write(X2APIC_ICR, (uint64_t)target << 32 | command);
}

void apic_send_interrupt(uint32_t target, uint8_t vector)
{
    send(target, ICR_FIXED | vector);
}

void apic_send_init(uint32_t target)
{
    send(target, ICR_INIT);
}

void apic_send_startup(uint32_t target, uint8_t vector)
{
    send(target, ICR_STARTUP | vector);
}

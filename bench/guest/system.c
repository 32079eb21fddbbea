/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that leave the straight path of a CPU: OPERATIONS of them a round. */
#include "guest.h"
#include "paging.h"
#include "selectors.h"
#include "workload.h"

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084

#define LAPIC_VERSION 0xfee00030u
#define LAPIC_EOI 0xfee000b0u
#define LAPIC_SPURIOUS 0xfee000f0u
#define LAPIC_COMMAND 0xfee00300u
#define LAPIC_LINT0 0xfee00350u
#define LVT_MASKED 0x10000u
#define SPURIOUS_ENABLE 0x1ff
#define COMMAND_SELF 0x40000u
#define POST_PORT 0x80
#define TOUCHED_PAGES 16

extern const uint8_t system_call[];
uint64_t enter_user(uint64_t calls);

static void prepare_system_calls(void)
{
    write_msr(MSR_STAR, (uint64_t)SELECTOR_SYSRET_BASE << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    write_msr(MSR_LSTAR, (uintptr_t)system_call);
    write_msr(MSR_SFMASK, 0x700);
}

static uint64_t system_calls(void)
{
    return enter_user(OPERATIONS);
}

static uint64_t interrupts(void)
{
    uint64_t count = 0;
    for (int k = 0; k < OPERATIONS; k++)
        asm volatile("int %1" : "+a"(count) : "i"(COUNTING_VECTOR));
    return count;
}

static volatile uint32_t *apic(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

static void prepare_apic(void)
{
    *apic(LAPIC_SPURIOUS) = SPURIOUS_ENABLE;
    *apic(LAPIC_LINT0) = LVT_MASKED; /* the firmware's timer */
}

/* With interrupts on for an instruction; some CPUs need more than one of them. */
static uint64_t self_interrupts(void)
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

static volatile uint8_t *small_pages;

static void prepare_pages(void)
{
    small_pages = arena_in_small_pages();
    for (unsigned page = 0; page < TOUCHED_PAGES; page++)
        arena[page * PAGE_BYTES] = (uint8_t)(page + 1);
}

static uint64_t page_table_loads(void)
{
    uint64_t sum = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t root;
        asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(root) : : "memory");
        for (unsigned page = 0; page < TOUCHED_PAGES; page++)
            sum += small_pages[page * PAGE_BYTES];
    }
    return sum;
}

static uint64_t page_changes(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < OPERATIONS; k++) {
        point_small_page(0, k % TOUCHED_PAGES);
        sum += small_pages[0];
    }
    point_small_page(0, 0);
    return sum;
}

static uint64_t port_writes(void)
{
    for (int k = 0; k < OPERATIONS; k++)
        out8(POST_PORT, (uint8_t)k);
    return OPERATIONS;
}

/* What the chip answers is the machine's affair; that it is a local APIC of this kind is not. */
static uint64_t apic_reads(void)
{
    volatile const uint32_t *version = (volatile const uint32_t *)(uintptr_t)LAPIC_VERSION;
    uint64_t integrated = 0;
    for (int k = 0; k < OPERATIONS; k++)
        integrated += (*version & 0xf0) == 0x10;
    return integrated;
}

static uint64_t cpuids(void)
{
    uint64_t good = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint32_t eax = 0, ebx, ecx = 0, edx;
        asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
        good += eax >= 1 && ebx != 0;
    }
    return good;
}

static uint64_t time_stamps(void)
{
    uint64_t before = 0, ordered = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint32_t low, high;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        uint64_t now = (uint64_t)high << 32 | low;
        ordered += now >= before;
        before = now;
    }
    return ordered;
}

/* mov $IMMEDIATE, %eax; ret */
static uint8_t patched[6] __attribute__((aligned(4096))) = {0xb8, 0, 0, 0, 0, 0xc3};

static uint64_t patches(void)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < OPERATIONS; k++) {
        *(volatile uint32_t *)(patched + 1) = k * 3;
        sum += ((uint32_t(*)(void))(uintptr_t)patched)();
    }
    return sum;
}

const struct workload system_workloads[] = {
    {"syscall", prepare_system_calls, system_calls},
    {"int-iret", NULL, interrupts},
    {"self-ipi", prepare_apic, self_interrupts},
    {"cr3-reload", prepare_pages, page_table_loads},
    {"invlpg", prepare_pages, page_changes},
    {"port-write", NULL, port_writes},
    {"lapic-read", NULL, apic_reads},
    {"cpuid", NULL, cpuids},
    {"rdtsc", NULL, time_stamps},
    {"self-modify", NULL, patches},
    {0},
};

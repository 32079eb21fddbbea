/* SPDX-License-Identifier: Apache-2.0 */
/* What a hypervisor moderates: ports, registers in memory, CPUID, RDTSC. */
#include "system.h"

#define POST_PORT 0x80
#define IOAPIC 0xfec00000u
#define IOAPIC_VERSION 1

uint64_t port_writes_round(void)
{
    for (int k = 0; k < OPERATIONS; k++)
        out8(POST_PORT, (uint8_t)k);
    return OPERATIONS;
}

/* A write of the index and a read of the window. */
uint64_t ioapic_reads_round(void)
{
    volatile uint32_t *index = (volatile uint32_t *)(uintptr_t)IOAPIC;
    volatile const uint32_t *window = (volatile const uint32_t *)(uintptr_t)(IOAPIC + 0x10);
    uint64_t right = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        *index = IOAPIC_VERSION;
        right += (*window >> 16 & 0xff) >= 23; /* its last input */
    }
    return right;
}

uint64_t cpuids_round(void)
{
    uint64_t good = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint32_t eax = 0, ebx, ecx = 0, edx;
        asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
        good += eax >= 1 && ebx != 0;
    }
    return good;
}

uint64_t time_stamps_round(void)
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

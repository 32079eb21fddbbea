/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from user code to the system, and software interrupts. */
#include "../selectors.h"
#include "system.h"

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084

extern const uint8_t system_call[];
uint64_t enter_user(uint64_t calls);

void prepare_system_calls(void)
{
    write_msr(MSR_STAR, (uint64_t)SELECTOR_SYSRET_BASE << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    write_msr(MSR_LSTAR, (uintptr_t)system_call);
    write_msr(MSR_SFMASK, 0x700);
}

uint64_t system_calls_round(void)
{
    return enter_user(OPERATIONS);
}

uint64_t interrupts_round(void)
{
    uint64_t count = 0;
    for (int k = 0; k < OPERATIONS; k++)
        asm volatile("int %1" : "+a"(count) : "i"(COUNTING_VECTOR));
    return count;
}

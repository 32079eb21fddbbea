/* SPDX-License-Identifier: Apache-2.0 */
/* A function whose constant is rewritten before each call. */
#include "system.h"

/* mov $IMMEDIATE, %eax; ret */
static uint8_t patched[6] __attribute__((aligned(4096))) = {0xb8, 0, 0, 0, 0, 0xc3};

uint64_t patches_round(void)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < OPERATIONS; k++) {
        *(volatile uint32_t *)(patched + 1) = k * 3;
        sum += ((uint32_t(*)(void))(uintptr_t)patched)();
    }
    return sum;
}

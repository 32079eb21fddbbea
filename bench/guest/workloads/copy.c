/* SPDX-License-Identifier: Apache-2.0 */
/* Copying 256 KiB: word by word, and with the string instruction. */
#include "compute.h"

#define BYTES (256u << 10)

static uint64_t *const from = (uint64_t *)arena;
static uint64_t *const to = (uint64_t *)(arena + (1 << 20));

void prepare_copy(void)
{
    uint64_t state = 3;
    for (unsigned k = 0; k < BYTES / 8; k++)
        from[k] = (uint64_t)next_random(&state) << 32 | k;
}

static uint64_t check(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < BYTES / 8; k += 512)
        sum = sum * 31 + to[k + k / 512];
    return sum;
}

uint64_t copy_words_round(void)
{
    for (unsigned k = 0; k < BYTES / 8; k++) {
        to[k] = from[k];
        BARRIER();
    }
    return check();
}

#ifdef __x86_64__
uint64_t copy_string_round(void)
{
    const void *source = from;
    void *target = to;
    uint64_t count = BYTES;
    asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
    return check();
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* String instructions: large fills, scans and comparisons, and copies of small structs. */
#include "compute.h"

#ifdef __x86_64__

#define BYTES (256u << 10)
#define STRUCT_BYTES 56u
#define STRUCTS 4096u

static uint8_t *const from = arena;
static uint8_t *const to = arena + (1 << 20);

/* The same in both places, with one byte that is nowhere else at the end. */
void prepare_strings(void)
{
    uint64_t state = 5;
    for (unsigned k = 0; k < BYTES; k++)
        from[k] = to[k] = next_random(&state) % 255;
    from[BYTES - 1] = to[BYTES - 1] = 255;
}

uint64_t string_fill_round(void)
{
    void *target = to;
    uint64_t count = BYTES / 8;
    asm volatile("rep stosq" : "+D"(target), "+c"(count) : "a"(UINT64_C(0x0102030405060708)) : "memory");
    return *(uint64_t *)(to + BYTES - 8);
}

uint64_t string_structs_round(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < STRUCTS; k++) {
        const void *source = from + k * 64;
        void *target = to + k * 64;
        uint64_t count = STRUCT_BYTES;
        asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
        sum = sum * 31 + to[k * 64 + k % STRUCT_BYTES];
    }
    return sum;
}

uint64_t string_scan_round(void)
{
    const uint8_t *place = from;
    uint64_t count = BYTES;
    asm volatile("repne scasb" : "+D"(place), "+c"(count) : "a"(255) : "memory", "cc");
    return (uint64_t)(place - from);
}

uint64_t string_compare_round(void)
{
    const uint8_t *a = from, *b = to;
    uint64_t count = BYTES;
    asm volatile("repe cmpsb" : "+S"(a), "+D"(b), "+c"(count) : : "memory", "cc");
    return (uint64_t)(a - from) + (uint64_t)(b - to);
}

#endif

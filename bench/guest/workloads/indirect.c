/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a table of functions, in an order that is hard to foresee. */
#include "compute.h"

#define CALLS 20000

static uint64_t add(uint64_t x) { return x + 0x9e3779b9; }
static uint64_t subtract(uint64_t x) { return x - 0x7f4a7c15; }
static uint64_t rotate(uint64_t x) { return x << 9 | x >> 55; }
static uint64_t fold(uint64_t x) { return x ^ x >> 17; }
static uint64_t invert(uint64_t x) { return ~x; }
static uint64_t triple(uint64_t x) { return x * 3; }
static uint64_t mark(uint64_t x) { return x | 0x10001; }
static uint64_t swap(uint64_t x) { return __builtin_bswap64(x); }

static uint64_t (*const volatile functions[8])(uint64_t) = {
    add, subtract, rotate, fold, invert, triple, mark, swap,
};

uint64_t indirect_round(void)
{
    uint64_t state = 7, value = 1;
    for (int k = 0; k < CALLS; k++)
        value = functions[next_random(&state) & 7](value);
    return value;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Words all over 16 MiB are read, changed and written back, in no order; and changed back. */
#include "compute.h"

#define WORDS ((16u << 20) / 8)
#define CHANGES 10000

static uint64_t *const words = (uint64_t *)arena;

void prepare_random(void)
{
    uint64_t state = 29;
    for (unsigned k = 0; k < WORDS; k++)
        words[k] = (uint64_t)next_random(&state) << 32 | k;
}

static uint64_t change(void)
{
    uint64_t state = 31, sum = 0;
    for (int k = 0; k < CHANGES; k++) {
        uint64_t *word = &words[next_random(&state) % WORDS];
        *word ^= state;
        sum += *word;
    }
    return sum;
}

uint64_t random_round(void)
{
    uint64_t there = change();
    return there * 31 + change();
}

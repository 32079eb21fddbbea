/* SPDX-License-Identifier: Apache-2.0 */
/* Quick sort of numbers without order (Hoare, Computer Journal 5:1), short runs by insertion. */
#include "compute.h"

#define NUMBERS 5000
#define SHORT 8

static uint32_t numbers[NUMBERS];

static void insert(uint32_t *first, uint32_t *last)
{
    for (uint32_t *at = first + 1; at <= last; at++) {
        uint32_t value = *at, *hole = at;
        for (; hole > first && hole[-1] > value; hole--)
            *hole = hole[-1];
        *hole = value;
    }
}

static void sort(uint32_t *first, uint32_t *last)
{
    while (last - first >= SHORT) {
        uint32_t pivot = first[(last - first) / 2], *low = first, *high = last;
        while (low <= high) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low <= high) {
                uint32_t value = *low;
                *low++ = *high;
                *high-- = value;
            }
        }
        sort(first, high);
        first = low;
    }
    insert(first, last);
}

uint64_t sort_round(void)
{
    uint64_t state = 11, sum = 0;
    for (int k = 0; k < NUMBERS; k++)
        numbers[k] = next_random(&state);
    sort(numbers, numbers + NUMBERS - 1);
    for (int k = 0; k < NUMBERS; k++)
        sum = sum * 31 + numbers[k];
    return sum;
}

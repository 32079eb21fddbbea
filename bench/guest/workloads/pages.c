/* SPDX-License-Identifier: Apache-2.0 */
/* One word of each of 16384 pages of 4 KiB, in no order: nearly every access walks the page table. */
#include "compute.h"

#define PAGES (ARENA_BYTES / PAGE_BYTES)

static uint8_t *pages;

static uint64_t *word(uint32_t page)
{
    return (uint64_t *)(pages + (size_t)page * PAGE_BYTES + page % 64 * 64);
}

void prepare_pages_walk(void)
{
    pages = arena_in_small_pages();
    for (uint32_t page = 0; page < PAGES; page++)
        *word(page) = page * 3;
}

uint64_t pages_round(void)
{
    uint64_t sum = 0;
    uint32_t page = 0;
    for (uint32_t k = 0; k < PAGES; k++) {
        sum = sum * 3 + *word(page);
        page = (page * 4005 + 12345) % PAGES;
    }
    return sum;
}

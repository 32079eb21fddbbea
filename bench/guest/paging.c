/* SPDX-License-Identifier: Apache-2.0 */
#include "paging.h"

#include "workload.h"

#define PRESENT_WRITABLE 3u
#define ENTRIES 512
#define TABLES (ARENA_BYTES / PAGE_BYTES / ENTRIES)

/* Entry 1 of the top level: far from the identity map. */
#define SMALL_PAGES ((uint64_t)1 << 39)

typedef uint64_t table[ENTRIES] __attribute__((aligned(4096)));

extern table level4;
static table level3, level2;
/* One after another, for all pages of the arena. */
uint64_t small_page_entries[TABLES * ENTRIES] __attribute__((aligned(4096)));

uint8_t *arena_in_small_pages(void)
{
    for (unsigned page = 0; page < ARENA_BYTES / PAGE_BYTES; page++)
        point_small_page(page, page);
    for (unsigned k = 0; k < TABLES; k++)
        level2[k] = (uintptr_t)(small_page_entries + k * ENTRIES) | PRESENT_WRITABLE;
    level3[0] = (uintptr_t)level2 | PRESENT_WRITABLE;
    level4[1] = (uintptr_t)level3 | PRESENT_WRITABLE;
    return (uint8_t *)SMALL_PAGES;
}

static void set(unsigned page, uint64_t entry)
{
    *(volatile uint64_t *)&small_page_entries[page] = entry;
}

void point_small_page(unsigned page, unsigned arena_page)
{
    set(page, ((uintptr_t)arena + arena_page * PAGE_BYTES) | PRESENT_WRITABLE);
}

void remove_small_page(unsigned page)
{
    set(page, 0);
}

void forget_small_page(unsigned page)
{
    asm volatile("invlpg (%0)" : : "r"(SMALL_PAGES + (uint64_t)page * PAGE_BYTES) : "memory");
}

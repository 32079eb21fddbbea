/* SPDX-License-Identifier: Apache-2.0 */
/* Page tables that change. */
#include "system.h"

#define TOUCHED_PAGES 16
/* Mapped, used and unmapped together. */
#define BATCH 100

extern const uint8_t page_fault[];

static volatile uint8_t *small_pages;

void prepare_pages(void)
{
    small_pages = arena_in_small_pages();
    for (unsigned page = 0; page < ARENA_BYTES / PAGE_BYTES; page++)
        arena[page * PAGE_BYTES] = (uint8_t)(page * 7 + 1);
}

void prepare_page_faults(void)
{
    prepare_pages();
    set_interrupt(PAGE_FAULT_VECTOR, page_fault);
}

uint64_t page_table_loads_round(void)
{
    uint64_t sum = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t root;
        asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(root) : : "memory");
        for (unsigned page = 0; page < TOUCHED_PAGES; page++)
            sum += small_pages[page * PAGE_BYTES];
    }
    return sum;
}

uint64_t page_changes_round(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < OPERATIONS; k++) {
        point_small_page(0, k % TOUCHED_PAGES);
        forget_small_page(0);
        sum += small_pages[0];
    }
    point_small_page(0, 0);
    forget_small_page(0);
    return sum;
}

/* What a system does that lends memory: pages are mapped, read and written once each, and unmapped. */
uint64_t page_tables_round(void)
{
    uint64_t sum = 0;
    for (unsigned first = 0; first < OPERATIONS; first += BATCH) {
        for (unsigned page = first; page < first + BATCH; page++)
            point_small_page(page, page * 13 % OPERATIONS);
        for (unsigned page = first; page < first + BATCH; page++) {
            volatile uint8_t *at = small_pages + (size_t)page * PAGE_BYTES;
            sum = sum * 31 + at[0];
            at[64] = (uint8_t)sum;
        }
        for (unsigned page = first; page < first + BATCH; page++) {
            remove_small_page(page);
            forget_small_page(page);
        }
    }
    return sum;
}

/* The handler maps the page again. */
uint64_t page_faults_round(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < OPERATIONS; k++) {
        unsigned page = k % TOUCHED_PAGES;
        remove_small_page(page);
        forget_small_page(page);
        sum += small_pages[page * PAGE_BYTES];
    }
    return sum;
}

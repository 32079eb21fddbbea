/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/memory.h"
#include "inmate/comm.h"
#include "inmate/console.h"
#include "inmate/cpu.h"
#include "inmate/string.h"
#include "start.h"

#define PAGE_SIZE 0x1000ul
#define LARGE_PAGE_SIZE 0x200000ul
#define TABLE_ENTRIES 512

#define PAGE_PRESENT 0x01ul
#define PAGE_WRITABLE 0x02ul
#define PAGE_CACHE_DISABLED 0x10ul
#define PAGE_LARGE 0x80ul
#define PAGE_ADDRESS 0x000ffffffffff000ul

static uintptr_t heap_next = (uintptr_t)heap_start, heap_end = (uintptr_t)heap_limit;

void *heap_allocate(size_t size, size_t alignment)
{
    uintptr_t start = (heap_next + alignment - 1) & ~(alignment - 1);

    if (start > heap_end || size > heap_end - start) {
        comm_set_state(CELL_FAILED);
        printf("Out of memory: %zu bytes wanted, %zu left\n", size, heap_end - heap_next);
        cpu_stop();
    }
    heap_next = start + size;
    return memset((void *)start, 0, size);
}

void heap_continue_at(void *start, size_t size)
{
    heap_next = (uintptr_t)start;
    heap_end = heap_next + size;
}

/* The table that an entry points to, made if there is none. */
static uint64_t *next_table(uint64_t *entry)
{
    if (!(*entry & PAGE_PRESENT))
        *entry = (uintptr_t)heap_allocate(PAGE_SIZE, PAGE_SIZE) | PAGE_PRESENT | PAGE_WRITABLE;
    return (uint64_t *)(*entry & PAGE_ADDRESS);
}

void memory_map(uint64_t address, uint64_t size, enum memory_type type)
{
    uint64_t flags = PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE;

    if (type == MEMORY_UNCACHED)
        flags |= PAGE_CACHE_DISABLED;
    for (uint64_t page = address & ~(LARGE_PAGE_SIZE - 1); page < address + size; page += LARGE_PAGE_SIZE) {
        uint64_t *pointers = next_table(&page_table_root[page >> 39 & (TABLE_ENTRIES - 1)]);
        uint64_t *directory = next_table(&pointers[page >> 30 & (TABLE_ENTRIES - 1)]);
        directory[page >> 21 & (TABLE_ENTRIES - 1)] = page | flags;
    }
    cr3_write(cr3_read()); /* also forgets the old meaning of entries that were there */
}

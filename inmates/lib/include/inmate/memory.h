/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Heap and paging. Memory is mapped one to one. At the start the first 2 MiB are (32-bit inmates: 4
 * MiB, and that is all they have); memory_map() adds more in pages of 2 MiB. 64-bit inmates only.
 */
#ifndef INMATE_MEMORY_H
#define INMATE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/**
 * Zeroed memory from the heap, the RAM after the stack (up to 0x100000 unless the Makefile sets
 * RAM_END). It cannot be freed. If the heap is exhausted the cell reports it and fails.
 *
 * @param alignment power of two
 */
void *heap_allocate(size_t size, size_t alignment);

/** Lets the heap continue in another piece of RAM (mapped by memory_map() before). */
void heap_continue_at(void *start, size_t size);

enum memory_type {
    MEMORY_CACHED,
    MEMORY_UNCACHED, /**< for device registers */
};

/** Maps guest-physical memory one to one, readable, writable and executable. */
void memory_map(uint64_t address, uint64_t size, enum memory_type type);

#endif

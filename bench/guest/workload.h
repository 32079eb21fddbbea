/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

/* What is measured. */
struct workload {
    const char *name;
    /* Done once, not measured; may be NULL. */
    void (*prepare)(void);
    /* One round: always the same work, always the same result. */
    uint64_t (*round)(void);
};

/* Ends with an entry whose name is NULL. */
extern const struct workload compute_workloads[];
extern const struct workload system_workloads[];

/* Operations in one round of a system workload; the host divides by it. */
#ifndef OPERATIONS
#error "OPERATIONS is defined by the build"
#endif

/*
 * Runs rounds of a workload and prints as it goes:
 *     start NAME            a first round, which meets cold caches and code that was never translated
 *     warm NAME             `warm` rounds that are not measured
 *     begin NAME            `rounds` rounds
 *     end NAME CHECKSUM
 * Returns whether there is such a workload and all rounds agreed.
 */
int run_workload(const struct workload *table, const char *name, uint64_t warm, uint64_t rounds);

/* Of the place it runs in. Prints at once, a line with its end. */
void print(const char *text);

#define ARENA_BYTES (64u << 20)
#define PAGE_BYTES 4096u
extern uint8_t arena[ARENA_BYTES];
/* The arena, seen through pages of 4 KiB. */
uint8_t *arena_in_small_pages(void);

#endif

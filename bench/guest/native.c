/* SPDX-License-Identifier: Apache-2.0 */
/* The compute workloads as a program of the host: what the machine itself can do. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

void print(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

uint8_t *arena_in_small_pages(void)
{
#ifdef MADV_NOHUGEPAGE
    madvise(arena, ARENA_BYTES, MADV_NOHUGEPAGE);
#endif
    return arena;
}

int main(int count, char **words)
{
    if (count != 4) {
        fprintf(stderr, "usage: %s WORKLOAD WARM ROUNDS\n", words[0]);
        return 2;
    }
    uint64_t warm = strtoull(words[2], NULL, 10), rounds = strtoull(words[3], NULL, 10);
    return run_workload(compute_workloads, words[1], warm, rounds) ? 0 : 1;
}

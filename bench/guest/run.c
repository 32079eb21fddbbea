/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

uint8_t arena[ARENA_BYTES] __attribute__((aligned(2 << 20)));

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static char *append(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    *to = 0;
    return to;
}

static char *append_hex(char *to, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    *to = 0;
    return to;
}

int run_workload(const struct workload *table, const char *name, uint64_t rounds)
{
    char line[80];
    while (table->name && !same(table->name, name))
        table++;
    if (!table->name)
        return 0;
    if (table->prepare)
        table->prepare();
    uint64_t checksum = table->round();
    int agreed = 1;
    append(append(append(line, "begin "), table->name), "\n");
    print(line);
    for (uint64_t k = 0; k < rounds; k++)
        agreed &= table->round() == checksum;
    if (!agreed) {
        append(append(append(line, "rounds of "), table->name), " differ\n");
        print(line);
        return 0;
    }
    append(append_hex(append(append(append(line, "end "), table->name), " "), checksum), "\n");
    print(line);
    return 1;
}

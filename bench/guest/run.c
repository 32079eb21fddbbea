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

static void say(const char *what, const char *name, const char *more)
{
    char line[80];
    append(append(append(append(append(line, what), " "), name), more), "\n");
    print(line);
}

int run_workload(const struct workload *table, const char *name, uint64_t warm, uint64_t rounds)
{
    while (table->name && !same(table->name, name))
        table++;
    if (!table->name)
        return 0;
    if (table->prepare)
        table->prepare();
    say("start", table->name, "");
    uint64_t checksum = table->round();
    int agreed = 1;
    say("warm", table->name, "");
    for (uint64_t k = 0; k < warm; k++)
        agreed &= table->round() == checksum;
    say("begin", table->name, "");
    for (uint64_t k = 0; k < rounds; k++)
        agreed &= table->round() == checksum;
    if (!agreed) {
        say("rounds differ:", table->name, "");
        return 0;
    }
    char digits[18] = " ";
    append_hex(digits + 1, checksum);
    say("end", table->name, digits);
    return 1;
}

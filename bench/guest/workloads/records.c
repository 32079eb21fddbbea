/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ordinary programs of the eighties did, in the proportions of Weicker's Dhrystone (CACM 27:10):
 * assignments, calls with few arguments, records behind pointers, short strings, little arithmetic.
 */
#include "compute.h"

#define TURNS 1500
#define NAME_BYTES 24

enum kind { RAW, WEIGHED, PACKED };

struct record {
    struct record *next;
    enum kind kind;
    int amount;
    int codes[8];
    char name[NAME_BYTES];
};

static struct record first, second;
static int total, grid[16][16];

static __attribute__((noinline)) void copy_name(char *to, const char *from)
{
    while ((*to++ = *from++))
        BARRIER();
}

static __attribute__((noinline)) int compare_names(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a - *b;
}

static __attribute__((noinline)) enum kind after(enum kind kind, int amount)
{
    switch (kind) {
    case RAW:
        return amount > 100 ? WEIGHED : RAW;
    case WEIGHED:
        return PACKED;
    default:
        return RAW;
    }
}

static __attribute__((noinline)) void move(struct record *from, int by)
{
    struct record *to = from->next;
    *to = *from;
    to->next = from;
    to->amount = from->amount + by;
    to->kind = after(from->kind, to->amount);
    for (int k = 0; k < 8; k++)
        to->codes[k] += from->codes[7 - k] & by;
}

static __attribute__((noinline)) void enter(int row, int column, int value)
{
    grid[row & 15][column & 15] = value;
    grid[column & 15][row & 15] += value + 1;
    total += grid[row & 15][row & 15];
}

uint64_t records_round(void)
{
    total = 0;
    for (int k = 0; k < 16; k++)
        for (int j = 0; j < 16; j++)
            grid[k][j] = 0;
    first = (struct record){.next = &second, .amount = 5, .codes = {1, 2, 3, 4, 5, 6, 7, 8}};
    for (int turn = 0; turn < TURNS; turn++) {
        copy_name(first.name, turn & 1 ? "a pallet of castings" : "a pallet of cables");
        first.amount = turn;
        move(&first, turn * 3 % 7);
        copy_name(second.name, "a pallet of cables");
        int order = compare_names(first.name, second.name);
        enter(turn, order, second.amount);
        first.kind = second.kind;
        first.codes[turn & 7] = second.codes[(turn + order) & 7] + 1;
    }
    return (uint64_t)(uint32_t)total << 32 | (uint32_t)(first.codes[3] + grid[3][5]);
}

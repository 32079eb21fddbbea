/* SPDX-License-Identifier: Apache-2.0 */
/* A linked list that goes once through 64 MiB, a cache line a node, in no order. */
#include "compute.h"

#define LINE_BYTES 64
#define NODES (ARENA_BYTES / LINE_BYTES)
#define STEPS 50000

struct node {
    struct node *next;
    uint64_t value;
};

static struct node *node(uint32_t index)
{
    return (struct node *)(arena + (size_t)index * LINE_BYTES);
}

/* A linear congruence of full period (Hull and Dobell: odd increment, multiplier 1 modulo 4). */
void prepare_chase(void)
{
    for (uint32_t k = 0; k < NODES; k++) {
        node(k)->next = node((k * 1664525u + 1013904223u) % NODES);
        node(k)->value = k;
    }
}

uint64_t chase_round(void)
{
    const struct node *at = node(0);
    uint64_t sum = 0;
    for (int k = 0; k < STEPS; k++) {
        sum += at->value;
        at = at->next;
    }
    return sum;
}

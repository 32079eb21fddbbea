/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

#define TURNS 50000

#ifdef __x86_64__
uint64_t integer_loop(uint64_t turns);
#else
/* What integer-loop.S does. */
static uint64_t integer_loop(uint64_t turns)
{
    uint64_t a = 0x9e3779b97f4a7c15, sum = 0;
    for (; turns; turns--) {
        uint64_t shifted = a >> 7;
        a = (a ^ shifted) * 5 + 3;
        a = a << 13 | a >> 51;
        sum = (sum + a - shifted) ^ turns;
    }
    return sum;
}
#endif

uint64_t integer_loop_round(void)
{
    return integer_loop(TURNS);
}

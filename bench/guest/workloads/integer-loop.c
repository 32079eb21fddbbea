/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

#define TURNS 50000

uint64_t integer_loop(uint64_t turns);

uint64_t integer_loop_round(void)
{
    return integer_loop(TURNS);
}

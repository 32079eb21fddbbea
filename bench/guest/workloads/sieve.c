/* SPDX-License-Identifier: Apache-2.0 */
/* Primes below a limit by Eratosthenes: byte stores with growing strides. */
#include "compute.h"

#define LIMIT 65536

static uint8_t composite[LIMIT];

uint64_t sieve_round(void)
{
    uint64_t sum = 0;
    for (int k = 0; k < LIMIT; k++)
        composite[k] = 0;
    for (uint32_t k = 2; k < LIMIT; k++) {
        if (composite[k])
            continue;
        sum += k;
        for (uint32_t multiple = 2 * k; multiple < LIMIT; multiple += k)
            composite[multiple] = 1;
    }
    return sum;
}

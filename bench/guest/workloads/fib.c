/* SPDX-License-Identifier: Apache-2.0 */
/* Calls and returns: Fibonacci numbers by their definition. */
#include "compute.h"

#define INDEX 20

static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    /* else the compiler turns the second call into a loop */
    BARRIER();
    uint64_t sum = n < 2 ? n : fib(n - 1) + fib(n - 2);
    BARRIER();
    return sum;
}

uint64_t fib_round(void)
{
    return fib(INDEX);
}

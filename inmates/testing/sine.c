/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a thousand values of sin() as floats into the shared memory of ivshmem version 1. */
#include "inmate.h"

#define COUNT 1000
#define READY 1

double sin(double x);

void inmate_main(void)
{
    struct ivshmem link;

    if (!ivshmem_open(&link, 0))
        return;
    /* the mistake of many a newcomer: floating point that nobody has enabled */
    if (!cmdline_boolean("no-sse", false))
        inmate_enable_sse();

    volatile float *samples = link.common;
    for (int index = 0; index < COUNT; index++)
        samples[index] = (float)sin((index - COUNT / 2) * 0.0123);
    ivshmem_set_state(&link, READY);
}

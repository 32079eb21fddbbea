/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the hypervisor for the state of its own CPU, again and again, after as many calls again that are
 * not measured. Command line: calls=N. Prints "begin", and "end ERRORS".
 */
#include "inmate.h"

#define RUNNING 0

static unsigned long call(uint64_t calls, unsigned long cpu)
{
    unsigned long errors = 0;
    for (uint64_t k = 0; k < calls; k++)
        errors += hypercall(HYPERCALL_CPU_GET_INFO, cpu, 0) != RUNNING;
    return errors;
}

void inmate_main(void)
{
    uint64_t calls = (uint64_t)cmdline_integer("calls", 1000);
    unsigned long cpu = (unsigned long)cmdline_integer("cpu", 0);
    unsigned long errors = call(calls, cpu);

    printf("begin\n");
    errors += call(calls, cpu);
    printf("end %lu\n", errors);
}

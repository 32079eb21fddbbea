/* SPDX-License-Identifier: Apache-2.0 */
/* The compute workloads as plain WebAssembly: what the host's compiler of it can do. */
#include "workload.h"

/* @param text an address in this module's memory */
__attribute__((import_module("host"), import_name("print"))) void host_print(const char *text);

void print(const char *text)
{
    host_print(text);
}

uint8_t *arena_in_small_pages(void)
{
    return arena;
}

/* Where the host puts the name, with a zero behind it. */
char name[64];

__attribute__((export_name("name"))) char *name_address(void)
{
    return name;
}

/* @return whether there is such a workload and all rounds agreed */
__attribute__((export_name("run"))) int run(double warm, double rounds)
{
    return run_workload(compute_workloads, name, (uint64_t)warm, (uint64_t)rounds);
}

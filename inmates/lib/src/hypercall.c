/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/hypercall.h"
#include "inmate/cpu.h"

bool hypervisor_present(void)
{
    struct cpuid id = cpuid(0x40000000, 0);

    return id.ebx == 0x6c69614a && id.ecx == 0x73756f68 && id.edx == 0x65; /* "Jail" "hous" "e" */
}

long hypercall(enum hypercall code, unsigned long argument1, unsigned long argument2)
{
    long result;

    /* Each vendor has its own instruction, and the other one's raises #UD. */
    if (cpuid(0, 0).ecx == 0x444d4163) /* "cAMD" of "AuthenticAMD" */
        __asm__ volatile("vmmcall" : "=a"(result) : "a"(code), "D"(argument1), "S"(argument2) : "memory");
    else
        __asm__ volatile("vmcall" : "=a"(result) : "a"(code), "D"(argument1), "S"(argument2) : "memory");
    return result;
}

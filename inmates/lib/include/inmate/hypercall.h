/* SPDX-License-Identifier: Apache-2.0 */
/** @file Calls to the hypervisor. 64-bit and 32-bit inmates. */
#ifndef INMATE_HYPERCALL_H
#define INMATE_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

enum hypercall {
    HYPERCALL_GET_INFO = 5,     /**< argument: type of information, 4: number of cells */
    HYPERCALL_CPU_GET_INFO = 7, /**< arguments: logical CPU (of this cell), type of information */
    HYPERCALL_CONSOLE_PUT = 8,  /**< argument: character; only if the cell may use the console */
};

/** True if CPUID shows the signature of the hypervisor ("Jailhouse"). */
bool hypervisor_present(void);

/** Result of the call, or the negative number of an error. */
long hypercall(enum hypercall code, unsigned long argument1, unsigned long argument2);

#endif

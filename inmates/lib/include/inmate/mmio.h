/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Device registers in memory. Each access is one plain MOV without displacement, which every
 * hypervisor version can decode when it has to emulate the register.
 */
#ifndef INMATE_MMIO_H
#define INMATE_MMIO_H

#include <stdint.h>

#define MMIO_ACCESSORS(bits, suffix, operand)                                                          \
    static inline uint##bits##_t mmio_read##bits(const volatile void *address)                         \
    {                                                                                                  \
        uint##bits##_t value;                                                                          \
        __asm__ volatile("mov" suffix " (%1), %" operand "0" : "=a"(value) : "r"(address) : "memory"); \
        return value;                                                                                  \
    }                                                                                                  \
    static inline void mmio_write##bits(volatile void *address, uint##bits##_t value)                  \
    {                                                                                                  \
        __asm__ volatile("mov" suffix " %" operand "0, (%1)" : : "a"(value), "r"(address) : "memory"); \
    }

MMIO_ACCESSORS(8, "b", "b")
MMIO_ACCESSORS(16, "w", "w")
MMIO_ACCESSORS(32, "l", "k")
#ifdef __x86_64__
MMIO_ACCESSORS(64, "q", "q")
#endif

#undef MMIO_ACCESSORS

#endif

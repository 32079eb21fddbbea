/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The CPU: ports, model-specific registers, CPUID, control registers, interrupt flag, TSC.
 * Thin wrappers around single instructions, for 64-bit and 32-bit inmates.
 */
#ifndef INMATE_CPU_H
#define INMATE_CPU_H

#include <stdbool.h>
#include <stdint.h>

static inline uint8_t port_read8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t port_read16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t port_read32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void port_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void port_write32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_EFER 0xc0000080u

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/** Result of CPUID. */
struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_EDX_FXSR (1u << 24)
#define CPUID_1_EDX_SSE2 (1u << 26)

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/** Time-stamp counter, in ticks of tsc_frequency_hz(). */
static inline uint64_t tsc_read(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)

static inline unsigned long cr0_read(void)
{
    unsigned long value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void cr0_write(unsigned long value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

/** Linear address of the last page fault. */
static inline unsigned long cr2_read(void)
{
    unsigned long value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline unsigned long cr3_read(void)
{
    unsigned long value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

/** Loads the page-table root; drops all non-global TLB entries. */
static inline void cr3_write(unsigned long value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline unsigned long cr4_read(void)
{
    unsigned long value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void cr4_write(unsigned long value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/** Hint inside a loop that waits for another CPU or a device. */
static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void cpu_enable_interrupts(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void cpu_disable_interrupts(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/**
 * Enables interrupts and halts until one was handled. Call with interrupts disabled after looking for
 * work: STI takes effect after the HLT has begun, so no interrupt can slip in between and be missed.
 */
static inline void cpu_wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/** Disables interrupts and returns whether they were enabled before. */
static inline bool cpu_save_interrupts(void)
{
    unsigned long flags;
    __asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
    return (flags & 1u << 9) != 0;
}

/** Enables interrupts again if `enabled`, the result of cpu_save_interrupts(), says so. */
static inline void cpu_restore_interrupts(bool enabled)
{
    if (enabled)
        cpu_enable_interrupts();
}

/** Halts this CPU with interrupts disabled, for ever. */
__attribute__((noreturn)) static inline void cpu_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

#endif

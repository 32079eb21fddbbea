/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %w1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %w1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

void print(const char *text);
void print_hex(uint64_t value);

/* Ends the machine; a status other than 0 is a failure. */
void finish(uint32_t status) __attribute__((noreturn));

/* What this interrupts has one more in RAX. */
#define COUNTING_VECTOR 0x80
#define PAGE_FAULT_VECTOR 14

/* Exceptions end the machine with a line that says which and where. */
void install_interrupts(void);
/* Of a further CPU: the same table. */
void use_interrupts(void);
/* @param vector up to COUNTING_VECTOR */
void set_interrupt(unsigned vector, const uint8_t *entry);

#endif

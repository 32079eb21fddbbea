/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"
#include "selectors.h"

#define GATE_INTERRUPT_PRESENT 0x8e00
/* Distance of the entries in interrupts.S. */
#define ENTRY_BYTES 16

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint16_t attributes;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

static struct gate idt[COUNTING_VECTOR + 1];

extern const uint8_t exception_entries[];
extern const uint8_t count_interrupt[];

void unexpected_exception(uint64_t vector, uint64_t error, uint64_t rip, uint64_t cr2)
{
    print("exception ");
    print_hex(vector);
    print(" error ");
    print_hex(error);
    print(" rip ");
    print_hex(rip);
    print(" cr2 ");
    print_hex(cr2);
    print("\n");
    finish(1);
}

void set_interrupt(unsigned vector, const uint8_t *entry)
{
    uint64_t offset = (uintptr_t)entry;
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)offset,
        .selector = SELECTOR_KERNEL_CODE,
        .attributes = GATE_INTERRUPT_PRESENT,
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

void use_interrupts(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uintptr_t)idt};
    asm volatile("lidt %0" : : "m"(pointer));
}

void install_interrupts(void)
{
    for (unsigned vector = 0; vector < 32; vector++)
        set_interrupt(vector, exception_entries + ENTRY_BYTES * vector);
    set_interrupt(COUNTING_VECTOR, count_interrupt);
    use_interrupts();
}

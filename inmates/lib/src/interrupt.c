/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/interrupt.h"
#include "inmate/apic.h"
#include "inmate/comm.h"
#include "inmate/console.h"
#include "inmate/cpu.h"

#include <stddef.h>

#define VECTORS 256
#define EXCEPTIONS 32
#define ENTRY_SIZE 16

#define SELECTOR_CODE64 0x18
#define GATE_PRESENT_INTERRUPT 0x8e

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t stack_table;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/* What interrupt_entry.S and the CPU push, lowest address first. */
struct interrupt_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

extern const char interrupt_entries[];
void interrupt_dispatch(const struct interrupt_frame *frame);

static struct gate table[VECTORS] __attribute__((aligned(16)));
static interrupt_handler *handlers[VECTORS];

static const char *const exception_names[EXCEPTIONS] = {
    [0] = "#DE",  [1] = "#DB",  [2] = "NMI",  [3] = "#BP",  [4] = "#OF",  [5] = "#BR",  [6] = "#UD",
    [7] = "#NM",  [8] = "#DF",  [10] = "#TS", [11] = "#NP", [12] = "#SS", [13] = "#GP", [14] = "#PF",
    [16] = "#MF", [17] = "#AC", [18] = "#MC", [19] = "#XM", [20] = "#VE", [21] = "#CP",
};

#define EXCEPTION_PAGE_FAULT 14

static void load_table(void)
{
    struct table_pointer pointer = {sizeof table - 1, (uint64_t)table};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupts_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint64_t entry = (uint64_t)interrupt_entries + vector * ENTRY_SIZE;
        table[vector] = (struct gate){
            .offset_low = (uint16_t)entry,
            .selector = SELECTOR_CODE64,
            .type = GATE_PRESENT_INTERRUPT,
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
        };
    }
    load_table();
    apic_enable();
}

void interrupts_init_secondary(void)
{
    if (table[0].type == GATE_PRESENT_INTERRUPT)
        load_table();
}

void interrupt_set_handler(uint8_t vector, interrupt_handler *handler)
{
    handlers[vector] = handler;
}

__attribute__((noreturn)) static void report_exception(const struct interrupt_frame *frame)
{
    const char *name = exception_names[frame->vector];

    comm_set_state(CELL_FAILED);
    console_take_over();
    printf("--- EXCEPTION %u (%s) on CPU %u ---\n", (unsigned)frame->vector, name ? name : "reserved",
           cpuid(1, 0).ebx >> 24);
    printf(" Error code: 0x%08x\n", (unsigned)frame->error_code);
    if (frame->vector == EXCEPTION_PAGE_FAULT)
        printf(" CR2: 0x%016lx\n", cr2_read());
    printf(" CS:  0x%04x IP: 0x%016lx flags: 0x%08x\n", (unsigned)frame->cs, frame->rip,
           (unsigned)frame->rflags);
    printf(" SP:  0x%016lx BP:  0x%016lx\n", frame->rsp, frame->rbp);
    printf(" AX:  0x%016lx BX:  0x%016lx CX:  0x%016lx\n", frame->rax, frame->rbx, frame->rcx);
    printf(" DX:  0x%016lx SI:  0x%016lx DI:  0x%016lx\n", frame->rdx, frame->rsi, frame->rdi);
    printf(" R8:  0x%016lx R9:  0x%016lx R10: 0x%016lx\n", frame->r8, frame->r9, frame->r10);
    printf(" R11: 0x%016lx R12: 0x%016lx R13: 0x%016lx\n", frame->r11, frame->r12, frame->r13);
    printf(" R14: 0x%016lx R15: 0x%016lx\n", frame->r14, frame->r15);
    cpu_stop();
}

void interrupt_dispatch(const struct interrupt_frame *frame)
{
    uint8_t vector = (uint8_t)frame->vector;

    if (handlers[vector])
        handlers[vector](vector);
    else if (vector < EXCEPTIONS)
        report_exception(frame);
    else if (vector != APIC_SPURIOUS_VECTOR)
        printf("Interrupt %u has no handler\n", vector);

    if (vector >= EXCEPTIONS && vector != APIC_SPURIOUS_VECTOR)
        apic_end_of_interrupt();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of interrupts and exceptions that are measured. */
#include "apic.h"

#define PRESENT_WRITABLE 3
#define PAGE_SHIFT 12
/* Of the 16384 pages of the arena. */
#define PAGE_MASK 0x3fff

    .text

    /* Maps the page of the arena again that is missing. */
    .globl page_fault
page_fault:
    pushq   %rax
    pushq   %rcx
    movq    %cr2, %rax
    shrq    $PAGE_SHIFT, %rax
    andl    $PAGE_MASK, %eax
    movl    %eax, %ecx
    shll    $PAGE_SHIFT, %ecx
    addl    $arena + PRESENT_WRITABLE, %ecx
    movq    %rcx, small_page_entries(,%rax,8)
    popq    %rcx
    popq    %rax
    addq    $8, %rsp                /* the error code */
    iretq

    .globl timer_interrupt
timer_interrupt:
    pushq   %rax
    incq    timer_interrupts
    movl    $LAPIC, %eax
    movl    $0, LAPIC_EOI(%rax)
    popq    %rax
    iretq

    /* On the second CPU: sends an answer to the first, whose number is 0. */
    .globl call_interrupt
call_interrupt:
    pushq   %rax
    movl    $LAPIC, %eax
    movl    $0, LAPIC_EOI(%rax)
    movl    $0, LAPIC_DESTINATION(%rax)
    movl    $ANSWER_VECTOR, LAPIC_COMMAND(%rax)
    popq    %rax
    iretq

    .globl answer_interrupt
answer_interrupt:
    pushq   %rax
    incq    answers
    movl    $LAPIC, %eax
    movl    $0, LAPIC_EOI(%rax)
    popq    %rax
    iretq

    .bss
    .balign 8
    .globl timer_interrupts, answers, second_cpu_ready
timer_interrupts:
    .skip   8
answers:
    .skip   8
second_cpu_ready:
    .skip   8

    .section .note.GNU-stack, "", @progbits

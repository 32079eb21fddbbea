/* SPDX-License-Identifier: Apache-2.0 */
#include "selectors.h"

/* Exceptions 0 to 31: all as if with an error code, then the vector. */
#define WITH_ERROR_CODE 0x60227d00  /* 8, 10 to 14, 17, 21, 29, 30 */

    .text
    .globl exception_entries
    .set    vector, 0
exception_entries:
    .rept   32
    .balign 16
    .if     (WITH_ERROR_CODE >> vector & 1) == 0
    pushq   $0
    .endif
    pushq   $vector
    jmp     exception
    .set    vector, vector + 1
    .endr

exception:
    popq    %rdi                    /* vector */
    popq    %rsi                    /* error code */
    movq    (%rsp), %rdx            /* RIP */
    movq    %cr2, %rcx
    andq    $-16, %rsp
    call    unexpected_exception

    /* The software interrupt that is measured: returns one more in RAX. */
    .globl count_interrupt
count_interrupt:
    incq    %rax
    iretq

    /* uint64_t enter_user(uint64_t calls): makes that many system calls at CPL 3; counts them. */
    .globl enter_user
enter_user:
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, kernel_stack
    xorl    %eax, %eax
    movq    $user, %rcx
    movl    $2, %r11d
    sysretq
user:
    syscall
    decq    %rdi
    jnz     user
    movq    $-1, %rdi               /* the last one does not come back */
    syscall
    ud2

    .globl system_call
system_call:
    testq   %rdi, %rdi
    js      1f
    incq    %rax
    sysretq
1:  movq    kernel_stack, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    ret

    .bss
    .balign 8
kernel_stack:
    .skip   8

    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of all 256 vectors, 16 bytes apart. Each pushes the vector, and a 0 where the CPU pushes no
 * error code, so that every frame has the shape of struct interrupt_frame in interrupt.c.
 */
    .text
    .balign 16
    .globl interrupt_entries
interrupt_entries:
    vector = 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq   $0
    .endif
    pushq   $vector
    jmp     common_entry
    vector = vector + 1
    .endr

common_entry:
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rbx
    pushq   %rbp
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, %rdi
    cld
    /* The CPU aligned the stack to 16 bytes; 22 quadwords later it still is. */
    movzbl  sse_in_use, %ebx
    testl   %ebx, %ebx
    jz      1f
    subq    $512, %rsp
    fxsave64 (%rsp)
1:  call    interrupt_dispatch
    testl   %ebx, %ebx
    jz      2f
    fxrstor64 (%rsp)
    addq    $512, %rsp
2:  popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rbp
    popq    %rbx
    popq    %rdx
    popq    %rcx
    popq    %rax
    addq    $16, %rsp                       /* vector and error code */
    iretq

    .section .note.GNU-stack, "", @progbits

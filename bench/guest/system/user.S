/* SPDX-License-Identifier: Apache-2.0 */
    .text

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

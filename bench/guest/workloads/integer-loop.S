/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uint64_t integer_loop(uint64_t turns): ten instructions a turn, in registers only.
 * bench/integer-loop.ts holds its bytes and what it must return.
 */
    .text
    .globl integer_loop
integer_loop:
    movabsq $0x9e3779b97f4a7c15, %rax
    xorl    %edx, %edx
1:  movq    %rax, %rcx
    shrq    $7, %rcx
    xorq    %rcx, %rax
    leaq    3(%rax,%rax,4), %rax
    rolq    $13, %rax
    addq    %rax, %rdx
    subq    %rcx, %rdx
    xorq    %rdi, %rdx
    decq    %rdi
    jnz     1b
    movq    %rdx, %rax
    ret

    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0 */
/* What the second CPU executes first: from real mode, at a page below 1 MiB, straight to long mode. */
#include "../control.h"
#include "../selectors.h"

    .text
    .code16
    .globl start_code, start_code_end
start_code:
    cli
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   start_gdt_pointer - start_code
    movl    $CR4_LONG_MODE, %eax
    movl    %eax, %cr4
    movl    $level4, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    movl    $EFER_LONG_MODE, %eax
    xorl    %edx, %edx
    wrmsr
    movl    $CR0_LONG_MODE, %eax
    movl    %eax, %cr0
    ljmpl   $SELECTOR_KERNEL_CODE, $start64
start_gdt_pointer:
    .word   gdt_limit
    .long   gdt
start_code_end:

    .code64
start64:
    movl    $SELECTOR_KERNEL_DATA, %eax
    movl    %eax, %ss
    movl    %eax, %ds
    movl    %eax, %es
    xorl    %ebp, %ebp
    movl    $second_stack_top, %esp
    call    second_cpu_main
    ud2

    .bss
    .balign 16
    .skip   4096
second_stack_top:

    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a multiboot loader (Multiboot Specification 0.6.96, 3.2: protected mode, no paging) to
 * guest_main() in long mode, CPL 0, interrupts off, SSE on, the first 4 GiB identity-mapped.
 */
#include "control.h"
#include "selectors.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0

#define PAGE_PRESENT_WRITABLE_USER 7
#define PAGE_LARGE (1 << 7)

    .section .multiboot, "a", @progbits
    .balign 4
    .long   MULTIBOOT_MAGIC
    .long   MULTIBOOT_FLAGS
    .long   -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .section .text.boot, "ax", @progbits
    .code32
    .globl boot
boot:
    cli
    movl    %ebx, %edi              /* the information structure: first argument of guest_main */
    movl    $boot_stack_top, %esp
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
    lgdt    gdt_pointer
    ljmpl   $SELECTOR_KERNEL_CODE, $boot64

    .code64
boot64:
    movl    $SELECTOR_KERNEL_DATA, %eax
    movl    %eax, %ss
    movl    %eax, %ds
    movl    %eax, %es
    xorl    %ebp, %ebp
    movl    %edi, %edi              /* the upper halves are undefined after the switch of modes */
    movl    $boot_stack_top, %esp
    call    guest_main
    ud2

    .data
    .balign 8
    .globl  gdt, gdt_limit
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* kernel code, 64 bit */
    .quad   0x00cf93000000ffff      /* kernel data */
    .quad   0                       /* SYSRET to compatibility mode: not used */
    .quad   0x00cff3000000ffff      /* user data */
    .quad   0x00affb000000ffff      /* user code, 64 bit */
    .set    gdt_limit, . - gdt - 1
gdt_pointer:
    .word   gdt_limit
    .quad   gdt

    /* User may go everywhere, so that the system call workload can run in place. */
    .balign 4096
    .globl level4
level4:
    .quad   level3 + PAGE_PRESENT_WRITABLE_USER
    .fill   511, 8, 0
level3:
    .set    gib, 0
    .rept   4
    .quad   level2 + 4096 * gib + PAGE_PRESENT_WRITABLE_USER
    .set    gib, gib + 1
    .endr
    .fill   508, 8, 0
level2:
    .set    page, 0
    .rept   4 * 512
    .quad   page * 0x200000 + PAGE_LARGE + PAGE_PRESENT_WRITABLE_USER
    .set    page, page + 1
    .endr

    .bss
    .balign 16
    .skip   16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits

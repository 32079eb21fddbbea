/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first instruction of a CPU to C.
 *
 * All CPUs of a cell start here at the same time in real mode, with general registers and data
 * segments zero. The first one to take a ticket becomes the boot CPU and runs inmate_boot(); the
 * others write their APIC id into the table of CPUs that wait and halt, until smp_start() sends them
 * INIT and SIPI. They then come through the same code again and find the mailbox addressed to them.
 *
 * Built twice: for 64-bit inmates, and for 32-bit inmates (protected mode; other CPUs only halt).
 */

#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)
#define CR4_PSE (1 << 4)
#define CR4_PAE (1 << 5)

#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE (1 << 11)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)

#define PAGE_PRESENT (1 << 0)
#define PAGE_WRITABLE (1 << 1)
#define PAGE_LARGE (1 << 7)

#define SELECTOR_CODE32 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE64 0x18

    .section .boot, "ax", @progbits
    .code16
    .globl boot16
boot16:
    cli
    lgdtl   %cs:boot_gdt_pointer - boot16
    lidtl   %cs:boot_no_idt - boot16        /* else exceptions would take this code for their table */
    movl    $(CR0_PE | CR0_NE), %eax        /* CD and NW become 0: caches on */
    movl    %eax, %cr0
    ljmpl   $SELECTOR_CODE32, $boot32

    .balign 8
boot_gdt:
    .quad   0
    .quad   0x00cf9b000000ffff              /* code, 32 bit, 0 to 4 GiB */
    .quad   0x00cf93000000ffff              /* data, 0 to 4 GiB */
    .quad   0x00af9b000000ffff              /* code, 64 bit */
boot_gdt_pointer:
    .word   boot_gdt_pointer - boot_gdt - 1
    .long   boot_gdt
boot_no_idt:
    .word   0
    .long   0

    .code32
boot32:
    movl    $SELECTOR_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss

    /* The hypervisor treats all memory as uncached until the MTRRs are on. */
    movl    $MSR_MTRR_DEF_TYPE, %ecx
    rdmsr
    orl     $MTRR_ENABLE, %eax
    wrmsr

#ifdef __x86_64__
    movl    %cr4, %eax
    orl     $CR4_PAE, %eax
    movl    %eax, %cr4
    movl    $page_table_root, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    rdmsr
    orl     $EFER_LME, %eax
    wrmsr
    movl    $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
    movl    %eax, %cr0
    ljmpl   $SELECTOR_CODE64, $boot64

    .code64
boot64:
    movl    $1, %eax
    cpuid
    shrl    $24, %ebx                       /* initial APIC id */

    cmpl    %ebx, smp_mailbox_target
    je      started_by_smp_start

    movl    $1, %eax
    lock xaddl %eax, boot_tickets
    cmpl    $256, %eax                      /* size of smp_apic_ids */
    jae     park
    movb    %bl, smp_apic_ids(%rax)
    lock incl smp_registered
    testl   %eax, %eax
    jnz     park

    xorl    %eax, %eax
    movl    $bss_start, %edi
    movl    $bss_end, %ecx
    subl    %edi, %ecx
    shrl    $3, %ecx
    cld
    rep stosq
    movl    $boot_stack_top, %esp
    xorl    %ebp, %ebp
    call    inmate_boot
    jmp     park

started_by_smp_start:
    movq    smp_mailbox_stack, %rsp
    xorl    %ebp, %ebp
    movl    $-1, smp_mailbox_target         /* tells smp_start() that the mailbox is free again */
    call    smp_secondary_main

#else /* 32 bit */
    movl    %cr4, %eax
    orl     $CR4_PSE, %eax
    movl    %eax, %cr4
    movl    $page_table_root, %eax
    movl    %eax, %cr3
    movl    $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
    movl    %eax, %cr0

    movl    $1, %eax
    lock xaddl %eax, boot_tickets
    testl   %eax, %eax
    jnz     park

    movl    $bss_start, %edi
    movl    $bss_end, %ecx
    subl    %edi, %ecx
    shrl    $2, %ecx
    cld
    rep stosl
    movl    $boot_stack_top, %esp
    xorl    %ebp, %ebp
    call    inmate_boot
#endif

park:
    cli
    hlt
    jmp     park

#ifdef BOOT_RESET_VECTOR
    .section .reset_vector, "ax", @progbits
    .code16
    ljmp    $0xf100, $0                     /* boot16 at 0xf1000 */
#endif

    .section .command_line, "a", @progbits
    .globl command_line
command_line:
    .fill   256, 1, 0

    /* Written by CPUs before the zeroed data is cleared, hence kept in the image. */
    .data
    .balign 4
boot_tickets:
    .long   0
#ifdef __x86_64__
    .globl  smp_registered, smp_apic_ids, smp_mailbox_target, smp_mailbox_stack
smp_registered:
    .long   0
smp_mailbox_target:
    .long   -1                              /* APIC id, or -1: empty */
    .balign 8
smp_mailbox_stack:
    .quad   0
smp_apic_ids:
    .fill   256, 1, 0
#endif

    /* Identity mapping of the RAM at 0 and, up to the large page's end, of the communication region. */
    .section .page_tables, "aw", @progbits
    .balign 4096
    .globl  page_table_root
page_table_root:
#ifdef __x86_64__
    .quad   page_directory_pointers + PAGE_PRESENT + PAGE_WRITABLE
    .balign 4096
page_directory_pointers:
    .quad   page_directory + PAGE_PRESENT + PAGE_WRITABLE
    .balign 4096
page_directory:
    .quad   PAGE_PRESENT + PAGE_WRITABLE + PAGE_LARGE
    .balign 4096
#else
    .long   PAGE_PRESENT + PAGE_WRITABLE + PAGE_LARGE
    .balign 4096
#endif

    .section .stack, "aw", @nobits
    .balign 16
    .skip   16384

    .section .note.GNU-stack, "", @progbits

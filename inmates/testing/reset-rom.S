/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware of 64 KiB for QEMU's q35 that stands in for the hypervisor's start of a cell: it gives the
 * ACPI PM timer its usual port and jumps to address 0 in real mode.
 */
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

/* ISA bridge 00:1f.0 (ICH9 datasheet, "LPC interface") */
#define PMBASE 0x8000f840       /* base of the ACPI ports; PM timer at + 8 */
#define ACPI_CNTL 0x8000f844
#define ACPI_ENABLE 0x80

    .code16
    .globl start
start:
    movl    $PMBASE, %eax
    movw    $PCI_ADDRESS, %dx
    outl    %eax, %dx
    movl    $0x601, %eax
    movw    $PCI_DATA, %dx
    outl    %eax, %dx
    movl    $ACPI_CNTL, %eax
    movw    $PCI_ADDRESS, %dx
    outl    %eax, %dx
    movb    $ACPI_ENABLE, %al
    movw    $PCI_DATA, %dx
    outb    %al, %dx
    xorl    %eax, %eax
    xorl    %edx, %edx
    ljmp    $0, $0

    .org 0xfff0
    jmp     start
    .org 0x10000

    .section .note.GNU-stack, "", @progbits

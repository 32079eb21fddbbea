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

    .section .note.GNU-stack, "", @progbits

; Runs a list of device accesses on a bare PC and reports what they read.
; Loaded by its multiboot header: 32-bit protected mode, no paging, interrupts off.
; A step is three double words: operation, address, value. Results go to port 0xe9, 4 bytes each.

bits 32
org 0x100000

LOADED equ 0x100000
MULTIBOOT_MAGIC equ 0x1badb002
MULTIBOOT_ADDRESSES equ 1 << 16

header:
    dd MULTIBOOT_MAGIC, MULTIBOOT_ADDRESSES, -(MULTIBOOT_MAGIC + MULTIBOOT_ADDRESSES)
    dd header, LOADED, 0, 0, start

start:
    mov esp, stack_top
    lgdt [gdtr]
    jmp 8:.flat
.flat:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    ; 256 gates to the stubs, which are 16 bytes apart
    mov edi, idt
    mov eax, stubs
    mov ecx, 256
.gate:
    mov [edi], ax
    mov word [edi + 2], 8
    mov word [edi + 4], 0x8e00
    mov edx, eax
    shr edx, 16
    mov [edi + 6], dx
    add edi, 8
    add eax, 16
    loop .gate
    lidt [idtr]
    mov esi, script

next:
    lodsd
    mov ebx, eax
    lodsd
    mov edx, eax
    lodsd
    jmp [operations + ebx * 4]

operations:
    dd finish, port_out, port_in, store, load, wait_port, open_window, wait_memory, store16, load16

finish:
    mov edx, 0xf4
    out dx, al
    hlt
    jmp finish

port_out:
    out dx, al
    jmp next

port_in:                        ; value: mask of the bits to report
    mov ecx, eax
    xor eax, eax
    in al, dx
    and eax, ecx
    call report
    jmp next

store:
    mov [edx], eax
    jmp next

load:
    and eax, [edx]
    call report
    jmp next

store16:
    mov [edx], ax
    jmp next

load16:
    movzx ecx, word [edx]
    and eax, ecx
    call report
    jmp next

wait_port:                      ; value: mask in bits 7:0, wanted in bits 15:8
    mov ecx, eax
.again:
    in al, dx
    and al, cl
    cmp al, ch
    jne .again
    jmp next

open_window:                    ; take whatever interrupts are pending
    sti
    nop
    nop
    cli
    jmp next

wait_memory:                    ; until a bit of the mask is set
.again:
    test [edx], eax
    jz .again
    jmp next

report:
    mov ecx, 4
.byte:
    out 0xe9, al
    shr eax, 8
    loop .byte
    ret

interrupt:
    push eax
    push ecx
    mov eax, [esp + 8]
    call report
    pop ecx
    pop eax
    add esp, 4
    iret

align 16
stubs:
%assign vector 0
%rep 256
    align 16
    push dword vector
    jmp near interrupt
%assign vector vector + 1
%endrep

align 8
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw 23
    dd gdt
idtr:
    dw 2047
    dd idt
align 8
idt:
    times 2048 db 0
    times 4096 db 0
stack_top:

script:

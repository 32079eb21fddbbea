; Runs from the reset vector: real mode, 16-bit and 32-bit protected mode at CPL 0 and 3,
; virtual-8086 mode, call gates, task gates, the I/O permission bit map. Logs to the debug
; console port. With EXACT defined it does what QEMU's TCG is known to do otherwise.
bits 16
org 0xf0000
DEBUG_PORT equ 0xe9
EXIT_PORT equ 0xf4
TEXT equ 0xf0000

IDT equ 0x6000
TSS equ 0x7000
TSS2 equ 0x7100
RESUME equ 0x8000
BASE equ 0x8004
STACK equ 0x8008
GDT equ 0x9000
KERNEL_STACK equ 0x10000
SS0_STACK equ 0x12000
TASK_STACK equ 0x13000
USER_STACK equ 0x18000
V86_CODE equ 0x20000
CODE equ 0x08
DATA equ 0x10
USER_CODE equ 0x18
USER_DATA equ 0x20
CODE16 equ 0x28        ; 16 bits, base at the image
DATA16 equ 0x30
DOWN equ 0x38          ; expand-down, limit 0xfff
TSS_SELECTOR equ 0x40
TSS2_SELECTOR equ 0x48
GATE equ 0x50          ; call gate, DPL 3, two parameters
TASK_GATE equ 0x58
CONFORMING equ 0x60
EXECUTE_ONLY equ 0x68
LDT_SELECTOR equ 0x70
SMALL equ 0x78         ; data, limit 0xff
ABSENT_CODE equ 0x80
GATE_0 equ 0x88        ; call gate, DPL 0
GATE_16 equ 0x90       ; 16-bit call gate
SMALL_USER equ 0x98    ; as SMALL, DPL 3

start:
  cli
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x1000
  ; real mode: the interrupt vector table
  mov word [0x21 * 4], real_handler - TEXT
  mov word [0x21 * 4 + 2], 0xf000
  mov word [0], real_handler - TEXT
  mov word [2], 0xf000
  mov word [13 * 4], real_handler - TEXT
  mov word [13 * 4 + 2], 0xf000
  mov word [4 * 4], real_handler - TEXT
  mov word [4 * 4 + 2], 0xf000
  mov word [5 * 4], real_handler - TEXT
  mov word [5 * 4 + 2], 0xf000
  mov word [6 * 4], real_handler - TEXT
  mov word [6 * 4 + 2], 0xf000
%macro REAL 0
%push real
  mov word [RESUME], %$resume - TEXT
  mov word [BASE], %$base - TEXT
%$base:
%endmacro
%macro END_REAL 0
%$resume:
%pop
%endmacro
  sti
  REAL
  int 0x21
  END_REAL
  REAL
  xor cx, cx
  div cx
  END_REAL
%ifdef EXACT
  REAL
  mov ax, [0xffff]
  END_REAL
  REAL
  mov eax, 0x10000
  mov al, [eax]
  END_REAL
%endif
  REAL
  mov al, 0x7f
  add al, 1
  into
  END_REAL
  REAL
  mov dword [0x8100], 0x00050001
  mov ax, 6
  bound ax, [0x8100]
  END_REAL
  REAL
  ud2
  END_REAL
  REAL
  sldt ax
  END_REAL
%ifdef EXACT
  REAL
  mov eax, 0x10000000
  lidt [cs:idtr_ivt - TEXT]
  jmp dword 0xf000:0x10000
  END_REAL
%endif
  call 0xf000:far_target - TEXT
  push ds
  pop gs
  ; unreal mode keeps the limits of protected mode
  cli
  lgdt [cs:gdtr - TEXT]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov bx, DATA
  mov ds, bx
  and al, 0xfe
  mov cr0, eax
  mov eax, 0x100000
  mov dword [eax], 0x12345678
  xor bx, bx
  mov ds, bx
  mov eax, [eax]
  call log16
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword CODE:start32

far_target:
  mov ax, sp
  call log16
  retf

; logs EAX from 16-bit code
log16:
  push ecx
  push eax
  mov cl, 28
.digit:
  mov eax, [esp]
  shr eax, cl
  and eax, 15
  add al, '0'
  cmp al, '9'
  jbe .out
  add al, 'a' - '9' - 1
.out:
  out DEBUG_PORT, al
  sub cl, 4
  jns .digit
  mov al, ' '
  out DEBUG_PORT, al
  pop eax
  pop ecx
  ret

real_handler:
  push bp
  mov bp, sp
  movzx eax, word [bp + 2]
  sub ax, [BASE]
  movzx eax, ax
  call log16
  movzx eax, word [bp + 4]
  call log16
  movzx eax, word [bp + 6]
  and ax, 0x700
  call log16
  pushf
  pop ax
  and eax, 0x700
  call log16
  movzx eax, sp
  call log16
  mov al, 10
  out DEBUG_PORT, al
  pop bp
  mov ax, [RESUME]
  push bp
  mov bp, sp
  mov [bp + 2], ax
  pop bp
  iret

align 8
idtr_ivt: dw 0x3ff
  dd 0
gdtr: dw 0xff
  dd gdt
gdtr_ram: dw 0xff
  dd GDT
idtr: dw 0x7ff
  dd IDT
align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff  ; CODE
  dq 0x00cf92000000ffff  ; DATA
  dq 0x00cffa000000ffff  ; USER_CODE
  dq 0x00cff2000000ffff  ; USER_DATA
  dq 0x00009a0f0000ffff  ; CODE16
  dq 0x000092000000ffff  ; DATA16
  dq 0x0040960000000fff  ; DOWN
  dq 0x0000890070000077  ; TSS, with 16 bytes of bit map
  dq 0x0000890071000067  ; TSS2
  dq 0x0000ec0200080000  ; GATE
  dq 0x0000850000480000  ; TASK_GATE
  dq 0x00cf9e000000ffff  ; CONFORMING
  dq 0x00cf98000000ffff  ; EXECUTE_ONLY
  dq 0x0000820095000017  ; LDT at 0x9500
  dq 0x00409200000000ff  ; SMALL
  dq 0x00cf1a000000ffff  ; ABSENT_CODE
  dq 0x00008c0000080000  ; GATE_0
  dq 0x0000e40200280000  ; GATE_16: to CODE16
  dq 0x0040f200000000ff  ; SMALL_USER
gdt_end:

bits 32
start32:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  xor eax, eax
  mov fs, ax
  mov gs, ax
  mov esp, KERNEL_STACK
  mov edi, IDT
  xor eax, eax
  mov ecx, (0xa000 - IDT) / 4
  rep stosd
  mov esi, gdt
  mov edi, GDT
  mov ecx, (gdt_end - gdt) / 4
  rep movsd
  mov eax, gate_target
  mov [GDT + GATE], ax
  mov [GDT + GATE_0], ax
  shr eax, 16
  mov [GDT + GATE + 6], ax
  mov [GDT + GATE_0 + 6], ax
  mov word [GDT + GATE_16], gate_16_target - TEXT
  mov dword [0x9508], 0x0000ffff    ; LDT: entry 1, data of DPL 3
  mov dword [0x950c], 0x00cff200
  lgdt [gdtr_ram]
  lidt [idtr]
  xor ecx, ecx
.gate:
  mov eax, ecx
  shl eax, 4
  add eax, stubs
  mov edx, eax
  and edx, 0xffff0000
  and eax, 0xffff
  or eax, CODE << 16
  mov [IDT + ecx * 8], eax
  mov dx, 0x8e00
  cmp ecx, 0x80
  je .user
  cmp ecx, 3
  je .user
  cmp ecx, 4
  jne .put
.user:
  mov dx, 0xee00
.put:
  mov [IDT + ecx * 8 + 4], edx
  inc ecx
  cmp ecx, 256
  jb .gate
  mov dword [TSS + 4], SS0_STACK
  mov word [TSS + 8], DATA
  mov word [TSS + 0x66], 0x68
  mov byte [TSS + 0x68 + 0x40 / 8], 2 ; of ports 0 to 0x7f one is forbidden
  mov ax, TSS_SELECTOR
  ltr ax
  mov ax, LDT_SELECTOR
  lldt ax
  jmp tests

align 16
stubs:
%assign vector 0
%rep 256
  push dword vector
  jmp near handler
  align 16
%assign vector vector + 1
%endrep

log:
  push ecx
  push eax
  mov cl, 28
.digit:
  mov eax, [ss:esp]
  shr eax, cl
  and eax, 15
  mov al, [cs:digits + eax]
  out DEBUG_PORT, al
  sub cl, 4
  jns .digit
  mov al, ' '
  out DEBUG_PORT, al
  pop eax
  pop ecx
  ret
digits: db "0123456789abcdef"
newline:
  push eax
  mov al, 10
  out DEBUG_PORT, al
  pop eax
  ret

; stack: vector, [error code], EIP, CS, EFLAGS, [ESP, SS, [ES, DS, FS, GS]]
handler:
  push ds
  push eax
  push ebx
  mov ax, DATA
  mov ds, ax
  mov al, 'E'
  out DEBUG_PORT, al
  mov eax, [esp + 12]
  call log
  lea ebx, [esp + 16]
  cmp al, 8
  je .code
  cmp al, 10
  jb .no_code
  cmp al, 14
  jbe .code
  cmp al, 17
  jne .no_code
.code:
  mov eax, [ebx]
  call log
  add ebx, 4
.no_code:
  mov eax, [ebx]
  sub eax, [BASE]
  call log
  movzx eax, word [ebx + 4]
  call log
  mov eax, [ebx + 8]
  and eax, 0x67700
  call log
  test dword [ebx + 8], 0x20000
  jnz .outer
  test byte [ebx + 4], 3
  jz .inner
.outer:
  mov eax, [ebx + 12]
  call log
  movzx eax, word [ebx + 16]
  call log
.inner:
  test dword [ebx + 8], 0x20000
  jz .not_virtual
  movzx eax, word [ebx + 20]
  call log
  movzx eax, word [ebx + 32]
  call log
.not_virtual:
  mov eax, esp
  and eax, 0xfffff000
  call log
  mov eax, [esp + 8]
  movzx eax, ax
  call log
  pushfd
  pop eax
  and eax, 0x67700
  call log
  cmp byte [esp + 12], 0x80
  jne .logged
  movzx eax, word [esp + 4]         ; what the program left in AX
  call log
.logged:
  call newline
  mov ax, DATA
  mov es, ax
  mov ss, ax
  mov esp, [STACK]
  push dword 2
  push dword CODE
  push dword [RESUME]
  iretd

%macro TRY 0
%push try
  mov dword [RESUME], %$resume
  mov dword [BASE], %$base
  mov [STACK], esp
%$base:
%endmacro
%macro END 0
%$resume:
%pop
%endmacro
%macro LOG 1
  mov eax, %1
  call log
%endmacro
%macro USER 1
%push user
  mov dword [RESUME], %$resume
  mov dword [BASE], %$code
  mov [STACK], esp
  push dword USER_DATA | 3
  push dword USER_STACK
  push dword %1
  push dword USER_CODE | 3
  push dword %$code
  iretd
%$code:
%endmacro
%macro LEAVE_USER 0
  int 0x80
%$resume:
%pop
%endmacro
; runs bytes in virtual-8086 mode; %1: flags, the rest: the bytes
%macro VIRTUAL 2+
%push virtual
  mov dword [RESUME], %$resume
  mov dword [BASE], 0
  mov [STACK], esp
  mov esi, %$code
  mov edi, V86_CODE
  mov ecx, %$resume - %$code
  rep movsb
  push dword 0x6666                 ; GS
  push dword 0x5555                 ; FS
  push dword 0x4444                 ; DS
  push dword 0x3333                 ; ES
  push dword V86_CODE / 16          ; SS
  push dword 0x1000
  push dword %1 | 0x20000
  push dword V86_CODE / 16
  push dword 0
  iretd
%$code:
  db %2
  db 0xcd, 0x80                     ; int 0x80: the gate's DPL and IOPL decide
%$resume:
%pop
%endmacro

tests:
  LOG cr0
  smsw eax
  call log
  str eax
  call log
  sldt eax
  call log
  call newline
  ; segments
  TRY
  mov ax, CODE
  mov ss, ax
  END
  TRY
  xor eax, eax
  mov ss, ax
  END
%ifdef EXACT
  TRY
  xor eax, eax
  mov fs, ax
  mov eax, [fs:0]
  END
%endif
  TRY
  mov ax, EXECUTE_ONLY
  mov gs, ax
  END
%ifdef EXACT
  TRY
  mov ax, CODE
  mov fs, ax
  mov eax, [fs:TEXT]
  mov [fs:0x8200], eax
  END
  TRY
  mov ax, SMALL
  mov fs, ax
  mov eax, [fs:0xfc]
  mov eax, [fs:0xfd]
  END
  TRY
  mov ax, SMALL
  mov fs, ax
  mov al, [fs:0xff]
  mov al, [fs:0x100]
  END
  TRY
  mov ax, DOWN
  mov fs, ax
  mov eax, [fs:0x1000]
  mov eax, [fs:0xffc]
  END
  TRY
  mov ax, DOWN
  mov fs, ax
  mov eax, [fs:0xfffffffc]
  mov eax, [fs:0xfffffffd]
  END
%endif
  TRY
  mov ax, 0x0c                      ; LDT entry 1
  mov fs, ax
  mov ax, 0x1c                      ; beyond the LDT
  mov fs, ax
  END
  TRY
  jmp dword ABSENT_CODE:0
  END
  TRY
  jmp dword DATA:0
  END
  TRY
  jmp dword 0:0
  END
  TRY
  jmp dword USER_CODE:0
  END
  TRY
  call dword CONFORMING:conforming_target
  LOG esp
  call newline
  END
  TRY
  call dword GATE_0:0
  END
  LOG esp
  call newline
  ; 16-bit code and stack
  TRY
  jmp dword CODE16:in16 - TEXT
  END
  ; user mode
  USER 0x202
  LEAVE_USER
  USER 0x3202
  cli
  pushfd
  pop eax
  LEAVE_USER
  USER 2
  cli
  LEAVE_USER
  USER 2
  hlt
  LEAVE_USER
  USER 2
  int 0x20
  LEAVE_USER
  USER 2
  mov ax, DATA
  mov ds, ax
  LEAVE_USER
  USER 2
  mov ax, ds
  LEAVE_USER
  LOG eax
  call newline
%ifdef EXACT
  USER 2
  mov ax, SMALL_USER | 3
  mov ss, ax
  mov esp, 0x102
  push eax
  LEAVE_USER
%endif
  USER 2
  in al, 0x80
  LEAVE_USER
  USER 2
  in ax, 0x80
  LEAVE_USER
  USER 2
  in al, 0x70
  xor eax, eax
  LEAVE_USER
  USER 2
  in al, 0x40
  in al, 0x41
  LEAVE_USER
  USER 2
  mov dx, 0x3f8
  out dx, al
  LEAVE_USER
  USER 2
  push dword 0x11111111
  push dword 0x22222222
  call dword (GATE | 3):0
  LEAVE_USER
  USER 2
  push dword 0x11111111
  push dword 0x22222222
  call dword (GATE_16 | 3):0
  LEAVE_USER
  USER 2
  call dword (GATE_0 | 3):0
  LEAVE_USER
  USER 2
  call dword CONFORMING:conforming_target
  LEAVE_USER
  USER 2
  jmp dword (GATE | 3):0
  LEAVE_USER
  USER 2
  jmp dword CODE:0
  LEAVE_USER
  USER 2
  push dword DATA
  push dword 0
  push dword CODE
  push dword 0
  retf
  LEAVE_USER
  ; outward return drops segments of inner privilege, and parameters
  TRY
  mov ax, DATA
  mov fs, ax
  mov ax, USER_DATA
  mov gs, ax
  push dword USER_DATA | 3
  push dword USER_STACK
  push dword 0
  push dword 0
  push dword USER_CODE | 3
  push dword .outside
  retf 8
.outside:
  mov ax, fs
  movzx edi, ax
  mov ax, gs
  movzx ecx, ax
  mov esi, esp
  int 0x80
  END
  LOG edi
  LOG ecx
  LOG esi
  call newline
  ; virtual-8086 mode
  VIRTUAL 0x3202, 0x8c, 0xd8                  ; mov ax, ds
  VIRTUAL 0x0202, 0x90
  VIRTUAL 0x3202, 0xfa, 0x9c, 0x58            ; cli, pushf, pop ax
  VIRTUAL 0x0202, 0xfa
  VIRTUAL 0x0202, 0x9c
  VIRTUAL 0x0202, 0xcf
  VIRTUAL 0x0202, 0xcc
  VIRTUAL 0x3202, 0xcd, 0x20
  VIRTUAL 0x3202, 0x0f, 0x0b
  VIRTUAL 0x3202, 0x0f, 0x00, 0xc0            ; sldt ax
  VIRTUAL 0x3202, 0x0f, 0x20, 0xc0            ; mov eax, cr0
  VIRTUAL 0x3202, 0xf4
%ifdef EXACT
  VIRTUAL 0x3202, 0xa1, 0xff, 0xff            ; mov ax, [0xffff]
%endif
  VIRTUAL 0x3202, 0xe4, 0x70, 0x31, 0xc0      ; in al, 0x70; xor ax, ax
  VIRTUAL 0x3202, 0xe4, 0xf0                  ; in al, 0xf0: IOPL does not help
  VIRTUAL 0x3202, 0xb8, 0x00, 0x30, 0x8e, 0xd8, 0x8c, 0xd8 ; mov ax, 0x3000; mov ds, ax; mov ax, ds
  VIRTUAL 0x3202, 0x9a, 0x05, 0x00, 0x00, 0x20, 0x8c, 0xc8 ; call 0x2000:5; mov ax, cs
  ; tasks
  mov eax, cr3
  mov [TSS2 + 0x1c], eax
  mov dword [TSS2 + 0x20], task
  mov dword [TSS2 + 0x24], 2
  mov dword [TSS2 + 0x38], TASK_STACK
  mov dword [TSS2 + 0x28], 0x11223344
  mov word [TSS2 + 0x48], DATA
  mov word [TSS2 + 0x4c], CODE
  mov word [TSS2 + 0x50], DATA
  mov word [TSS2 + 0x54], DATA
  mov word [TSS2 + 0x60], LDT_SELECTOR
  call dword TSS2_SELECTOR:0
  LOG cr0
  clts
  str eax
  call log
  movzx eax, word [GDT + TSS_SELECTOR + 5]
  call log
  movzx eax, word [GDT + TSS2_SELECTOR + 5]
  call log
  call newline
  call dword TASK_GATE:0
  clts
  ; a task gate for #UD, and one for #GP with its error code
  mov dword [IDT + 6 * 8], TSS2_SELECTOR << 16
  mov dword [IDT + 6 * 8 + 4], 0x8500
  ud2
  clts
  mov al, 0x10
  out EXIT_PORT, al
  hlt

task:
  call log                          ; EAX of the task
  str eax
  call log
  pushfd
  pop eax
  and eax, 0x4000
  call log
  movzx eax, word [TSS2]
  call log
  LOG cr0
  LOG esp
  mov eax, [TSS + 0x20]
  movzx eax, byte [cs:eax]
  call log                          ; what the other task goes on with
  movzx eax, word [GDT + TSS_SELECTOR + 5]
  call log
  movzx eax, word [GDT + TSS2_SELECTOR + 5]
  call log
  call newline
  ; past UD2, if that is what came here
  mov eax, [TSS + 0x20]
  cmp word [cs:eax], 0x0b0f
  jne .back
  add dword [TSS + 0x20], 2
.back:
  mov eax, 0x55667788
  clts
  iretd
  jmp task

conforming_target:
  mov ax, cs
  movzx eax, ax
  call log_anywhere
  retf

; logs where the I/O bit map does not allow it: not at all
log_anywhere:
  test al, 3
  jnz .quiet
  call log
.quiet:
  ret

gate_target:
  mov eax, cs
  movzx eax, ax
  call log
  mov eax, ss
  movzx eax, ax
  call log
  LOG esp
  LOG [esp + 4]
  LOG [esp + 8]
  LOG [esp + 12]
  LOG [esp + 16]
  LOG [esp + 20]
  call newline
  retf 8

bits 16
in16:
  mov ax, DATA16
  mov ss, ax
  mov esp, 0x1000
  push ax
  push eax
  mov eax, esp
  call log16
  pushf
  call dword CODE16:.far - TEXT
  mov eax, esp
  call log16
  mov al, 10
  out DEBUG_PORT, al
  ud2
.far:
  mov eax, [esp]
  movzx esp, sp
  o32 retf

gate_16_target:
  mov eax, esp
  call log16
  mov bp, sp
  mov eax, [ss:esp + 4]
  call log16
  mov eax, [ss:esp + 8]
  call log16
  mov al, 10
  out DEBUG_PORT, al
  ud2

times 0xfff0 - ($ - $$) db 0
  jmp word 0xf000:0
times 0x10000 - ($ - $$) db 0

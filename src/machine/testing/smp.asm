; Runs from the reset vector on a PC of three CPUs, in 32-bit protected mode without paging, and logs
; to the debug console port: start of the others, interrupts between CPUs, NMI, timer modes,
; priorities, code that a CPU changes for itself and for another, x87 exceptions by #MF and, with
; FERR defined, by interrupt 13 (QEMU 7.2 aborts then).
bits 16
org 0xf0000
DEBUG_PORT equ 0xe9
EXIT_PORT equ 0xf4
TEXT equ 0xf0000
OTHERS equ 2

IDT equ 0x6000
TRAMPOLINE equ 0x8000
FUNCTION equ 0x9000
GDT equ 0xa000
ONLINE equ 0x7000
STORM equ 0x7004        ; how many of the IPIs to all have arrived
NMIS equ 0x7008
TIMER equ 0x700c
COMMAND equ 0x7010      ; changed by CPU 0: call FUNCTION
ANSWER equ 0x7014       ; the same number once that is done
RESULT equ 0x7018
ORDER equ 0x701c        ; vectors as they come, two digits each
STARTED equ 0x7020
SENT equ 0x7040         ; by APIC id: acknowledgements of CPU 0
STACKS equ 0x20000      ; by APIC id, 4 KiB each

APIC equ 0xfee00000
EOI equ APIC + 0xb0
TPR equ APIC + 0x80
SVR equ APIC + 0xf0
ICR equ APIC + 0x300
ICR_HIGH equ APIC + 0x310
LVT_TIMER equ APIC + 0x320
LVT_LINT0 equ APIC + 0x350
INITIAL_COUNT equ APIC + 0x380
CURRENT_COUNT equ APIC + 0x390
DIVIDE equ APIC + 0x3e0
TO_OTHERS equ 0xc4000
TO_SELF equ 0x44000

start:
  cli
  cld
  xor ax, ax
  mov es, ax
  mov di, GDT
  mov si, gdt - TEXT
  mov cx, gdt_end - gdt
  cs rep movsb
  mov di, TRAMPOLINE
  mov si, trampoline - TEXT
  mov cx, trampoline_end - trampoline
  cs rep movsb
  o32 lgdt [cs:word gdt_pointer - TEXT]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:first

trampoline:                         ; at 0800:0000
  cli
  o32 lgdt [cs:word gdt_pointer - trampoline]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:other
gdt_pointer: dw gdt_end - gdt - 1
  dd GDT
trampoline_end:

align 8
gdt:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
gdt_end:
idt_pointer: dw 0x7ff
  dd IDT

bits 32
; segments, stack, IDT and local APIC of any CPU; EBX its APIC id
%macro SET_UP 0
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov ebx, [APIC + 0x20]
  shr ebx, 24
  mov esp, ebx
  shl esp, 12
  add esp, STACKS + 0x1000
%endmacro

other:
  SET_UP
  lidt [idt_pointer]
  mov dword [SVR], 0x1ff
  lock inc dword [ONLINE]
  xor esi, esi
.wait:
  sti
  pause
  cmp ebx, 1
  jne .wait
  mov eax, [COMMAND]
  cmp eax, esi
  je .wait
  ; serialise, then run what CPU 0 has written
  mov esi, eax
  push ebx
  xor eax, eax
  cpuid
  pop ebx
  mov eax, FUNCTION
  call eax
  mov [RESULT], eax
  mov [ANSWER], esi
  jmp .wait

first:
  SET_UP
  mov edi, IDT
  mov ecx, 256
.gate:
  mov eax, unexpected
  call set_gate
  loop .gate
%macro GATE 2
  mov edi, IDT + %1 * 8
  mov eax, %2
  call set_gate
%endmacro
  GATE 2, on_nmi
  GATE 16, on_numeric_error
  GATE 0x2d, on_irq13
  GATE 0x40, on_storm
  GATE 0x41, on_answer
  GATE 0x42, on_from_1
  GATE 0x43, on_from_2
  GATE 0x50, on_timer
  GATE 0x51, on_51
  GATE 0x61, on_61
  GATE 0x71, on_71
  GATE 0x81, on_81
  GATE 0x91, on_91
  lidt [idt_pointer]
  mov edi, ONLINE
  mov ecx, 0x100 / 4
  xor eax, eax
  rep stosd
  mov dword [SVR], 0x1ff

  ; INIT, start-up
  mov dword [ICR], TO_OTHERS | 0x500
  mov dword [ICR], TO_OTHERS | 0x600 | (TRAMPOLINE >> 12)
.online:
  pause
  cmp dword [ONLINE], OTHERS
  jne .online
  mov al, 'o'
  mov ebx, [ONLINE]
  call log
  ; an interrupt to all others, again and again
  xor ebx, ebx
.storm:
  add ebx, OTHERS
  mov dword [ICR], TO_OTHERS | 0x40
.arrived:
  pause
  cmp [STORM], ebx
  jb .arrived
  cmp ebx, OTHERS * 500
  jb .storm
  mov al, 's'
  mov ebx, [STORM]
  call log
  ; and from them to this one, at once
  mov dword [ICR], TO_OTHERS | 0x41
.answers:
  sti
  hlt
  cmp dword [SENT + 4], 100
  jb .answers
  cmp dword [SENT + 8], 100
  jb .answers
  cli
  mov al, 'a'
  mov ebx, [SENT + 4]
  call log
  mov ebx, [SENT + 8]
  call log
  mov dword [ICR], TO_OTHERS | 0x400
.nmis:
  pause
  cmp dword [NMIS], OTHERS
  jb .nmis
  mov al, 'n'
  mov ebx, [NMIS]
  call log

  ; timer: once, periodically, masked
  mov dword [DIVIDE], 0xb
  mov dword [LVT_TIMER], 0x50
  mov dword [INITIAL_COUNT], 20000
  sti
.once:
  hlt
  cmp dword [TIMER], 1
  jb .once
  mov ecx, 200000
.more:
  pause
  loop .more
  cli
  mov al, 't'
  mov ebx, [TIMER]
  call log
  mov ebx, [CURRENT_COUNT]
  call log
  mov dword [LVT_TIMER], 0x20050
  mov dword [INITIAL_COUNT], 200000
.periodic:
  sti
  hlt
  cli
  cmp dword [TIMER], 6
  jb .periodic
  mov dword [LVT_TIMER], 0x10050
  mov dword [INITIAL_COUNT], 0
  mov ebx, [CURRENT_COUNT]
  mov al, 'p'
  call log
  mov dword [INITIAL_COUNT], 1000
.masked:
  cmp dword [CURRENT_COUNT], 0
  jne .masked
  mov ebx, [APIC + 0x200 + (0x50 >> 5) * 0x10]
  mov al, 'm'
  call log
  sti
  nop
  cli
  mov ebx, [TIMER]
  sub ebx, 6
  call log

  ; priorities: by class, held back by TPR, nested, behind one in service
  mov dword [TPR], 0x70
  mov dword [ICR], TO_SELF | 0x61
  mov dword [ICR], TO_SELF | 0x81
  mov dword [ICR], TO_SELF | 0x71
  sti
  nop
  nop
  cli
  mov al, 'q'
  mov ebx, [ORDER]
  call log
  mov dword [TPR], 0
  sti
  nop
  nop
  cli
  mov ebx, [ORDER]
  call log
  mov ebx, [ORDER + 4]
  call log

  ; code that this CPU changes right before it runs it
  xor ebx, ebx
  mov ecx, 200
  mov edi, FUNCTION
  mov dword [edi], 0x000005c6       ; mov byte [address], value
  mov dword [edi + 2], FUNCTION + 8
  mov byte [edi + 7], 0xb0          ; mov al, changed value
  mov byte [edi + 9], 0xc3
.changes:
  mov [edi + 6], cl
  call edi
  movzx eax, al
  add ebx, eax
  loop .changes
  mov al, 'c'
  call log
  ; and that it changes for another
  xor ebx, ebx
  mov ecx, 200
  mov byte [edi + 5], 0xc3
.crossing:
  mov [edi + 1], ecx
  mov byte [edi], 0xb8              ; mov eax, ecx
  mov [COMMAND], ecx
.crossed:
  pause
  cmp [ANSWER], ecx
  jne .crossed
  add ebx, [RESULT]
  loop .crossing
  mov al, 'x'
  call log

  push dword 0x37b                  ; division by zero unmasked
%ifdef FERR
  ; x87 exceptions with CR0.NE clear: interrupt 13 through the 8259 pair
  mov dword [LVT_LINT0], 0x700
  mov esi, .pic
.initialise:
  movzx edx, byte [esi]
  mov al, [esi + 1]
  out dx, al
  add esi, 2
  cmp esi, .pic_end
  jb .initialise
  mov eax, cr0
  and eax, ~0x2e                    ; MP, EM, TS, NE
  mov cr0, eax
  fninit
  fldcw [esp]
  sti
  fld1
  fldz
  fdivp
  fwait
  nop
  nop
  cli
  fnstsw ax
  movzx ebx, ax
  mov al, 'f'
  call log
%endif
  mov eax, cr0
  and al, ~0xe
  or al, 0x20
  mov cr0, eax
  fninit
  fldcw [esp]
  fld1
  fldz
  fdiv st1, st0                     ; TCG pops all the same with FDIVP
  fwait
  mov al, 'e'
  xor ebx, ebx
  call log
  xor eax, eax
  out EXIT_PORT, al
  jmp $
.pic:
  db 0x20, 0x11, 0x21, 0x20, 0x21, 4, 0x21, 1
  db 0xa0, 0x11, 0xa1, 0x28, 0xa1, 2, 0xa1, 1
  db 0x21, 0xfb, 0xa1, 0xdf
.pic_end:

; EDI where, which moves on; EAX the handler
set_gate:
  mov [edi], ax
  mov word [edi + 2], 8
  mov word [edi + 4], 0x8e00
  shr eax, 16
  mov [edi + 6], ax
  add edi, 8
  ret

unexpected:
  mov al, '?'
  mov ebx, [esp]
  call log
  mov ebx, [esp + 4]
  call log
  xor eax, eax
  out EXIT_PORT, al
  jmp $

on_nmi:
  lock inc dword [NMIS]
  iret
on_storm:
  lock inc dword [STORM]
  mov dword [EOI], 0
  iret
; sends 100 interrupts to CPU 0, each when the one before has been counted
on_answer:
  push eax
  push ebx
  push ecx
  mov ebx, [APIC + 0x20]
  shr ebx, 24
  mov dword [ICR_HIGH], 0
  lea ecx, [ebx + 0x4041]
  xor eax, eax
.next:
  mov [ICR], ecx
  inc eax
.counted:
  pause
  cmp [SENT + ebx * 4], eax
  jb .counted
  cmp eax, 100
  jb .next
  mov dword [EOI], 0
  pop ecx
  pop ebx
  pop eax
  iret
on_from_1:
  inc dword [SENT + 4]
  mov dword [EOI], 0
  iret
on_from_2:
  inc dword [SENT + 8]
  mov dword [EOI], 0
  iret
on_timer:
  inc dword [TIMER]
  mov dword [EOI], 0
  iret

%macro NOTE 1
  shl dword [ORDER + 4], 8
  push eax
  mov al, [ORDER + 3]
  mov [ORDER + 4], al
  pop eax
  shl dword [ORDER], 8
  mov byte [ORDER], %1
%endmacro
on_51:
  NOTE 0x51
  mov dword [EOI], 0
  iret
; a higher one interrupts it, a lower one waits for its end
on_61:
  NOTE 0x61
  mov dword [ICR], TO_SELF | 0x51
  mov dword [ICR], TO_SELF | 0x91
  sti
  nop
  nop
  cli
  NOTE 0x62
  mov dword [EOI], 0
  iret
on_71:
  NOTE 0x71
  mov dword [EOI], 0
  iret
on_81:
  NOTE 0x81
  mov dword [EOI], 0
  iret
on_91:
  NOTE 0x91
  mov dword [EOI], 0
  iret

on_irq13:
  pushad
  fnstsw ax
  movzx ebx, ax
  mov al, 'i'
  call log
  xor eax, eax
  out 0xf0, al
  fwait                             ; goes on: IGNNE
  fnclex
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  popad
  iret
on_numeric_error:
  pushad
  fnstsw ax
  movzx ebx, ax
  mov al, '#'
  call log
  fnclex
  popad
  iret

; AL a letter, EBX a number
log:
  push eax
  push ecx
  out DEBUG_PORT, al
  mov ecx, 8
.digit:
  rol ebx, 4
  mov al, bl
  and eax, 15
  mov al, [digits + eax]
  out DEBUG_PORT, al
  loop .digit
  mov al, 10
  out DEBUG_PORT, al
  pop ecx
  pop eax
  ret
digits: db "0123456789abcdef"

times 0xfff0 - ($ - $$) db 0
bits 16
  jmp word 0xf000:0
times 0x10000 - ($ - $$) db 0

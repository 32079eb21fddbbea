; The TSC-deadline mode of the local APIC's timer (Intel SDM vol. 3, 11.5.4.1), and an NMI that comes
; during the instruction behind MOV SS or STI. TCG has no such timer: the manual decides.
%include "long-start.inc"
TIMER equ 0x8000
NMI_RIP equ 0x8008
WHEN equ 0x8010
APIC equ 0xfee00000
LVT_TIMER equ 0x320
DEADLINE_MODE equ 0x40050
IA32_TSC_DEADLINE equ 0x6e0
%macro NOTE 2
  push rax
  mov al, %1
  out DEBUG_PORT, al
  pop rax
  LOG %2
  call newline
%endmacro

; RAX the counter's value
%macro COUNTER 0
  rdtsc
  shl rdx, 32
  or rax, rdx
%endmacro
; in so many ticks, to RSI
%macro DEADLINE 1
  COUNTER
  lea rsi, [rax + %1]
  mov rax, rsi
  mov rdx, rsi
  shr rdx, 32
  mov ecx, IA32_TSC_DEADLINE
  wrmsr
%endmacro
%macro READ_DEADLINE 0
  mov ecx, IA32_TSC_DEADLINE
  rdmsr
  shl rdx, 32
  or rax, rdx
%endmacro
%macro WAIT_UNTIL_PAST 0
%%again:
  pause
  COUNTER
  cmp rax, rsi
  jbe %%again
  sti
  nop
  nop
  cli
%endmacro

main:
  GATE 2, nmi
  GATE 0x50, timer
  mov qword [TIMER], 0
  mov ebp, APIC
  mov dword [rbp + 0xf0], 0x1ff
  mov dword [rbp + LVT_TIMER], 0x50
  DEADLINE 1000                     ; ignored in another mode
  READ_DEADLINE
  NOTE 'o', rax
  mov dword [rbp + LVT_TIMER], DEADLINE_MODE
  mfence
  DEADLINE 20000
  READ_DEADLINE
  sub rax, rsi
  NOTE 'r', rax
.wait:
  sti
  hlt
  cli
  cmp dword [TIMER], 1
  jb .wait
  mov rax, [WHEN]
  cmp rax, rsi
  setae al
  movzx eax, al
  NOTE 'a', rax                     ; not early
  READ_DEADLINE
  NOTE 'z', rax                     ; disarmed
  WAIT_UNTIL_PAST
  NOTE 't', [TIMER]
  DEADLINE -1000                    ; at once
  sti
  nop
  nop
  cli
  NOTE 't', [TIMER]
  DEADLINE 20000
  xor eax, eax
  xor edx, edx
  wrmsr                             ; disarms
  WAIT_UNTIL_PAST
  NOTE 't', [TIMER]
  mov dword [rbp + 0x3e0], 0xb
  mov dword [rbp + 0x380], 100      ; the initial count is ignored
  mov eax, [rbp + 0x390]
  NOTE 'c', rax
  DEADLINE 20000
  mov dword [rbp + LVT_TIMER], 0x50 ; another mode disarms
  READ_DEADLINE
  NOTE 'm', rax
  mov dword [rbp + LVT_TIMER], DEADLINE_MODE
  WAIT_UNTIL_PAST
  NOTE 't', [TIMER]

  mov eax, ss
  mov dword [rbp + 0x310], 0
  mov ss, ax
  mov dword [rbp + 0x300], 0x4400   ; an NMI to this CPU
.behind_ss:
  nop
  nop
  mov rax, [NMI_RIP]
  sub rax, .behind_ss
  NOTE 's', rax
  sti
  mov dword [rbp + 0x300], 0x4400
.behind_sti:
  nop
  nop
  cli
  mov rax, [NMI_RIP]
  sub rax, .behind_sti
  NOTE 'i', rax
  jmp end

nmi:
  push rax
  mov rax, [rsp + 8]
  mov [NMI_RIP], rax
  pop rax
  iretq
timer:
  push rax
  push rdx
  COUNTER
  mov [WHEN], rax
  inc dword [TIMER]
  mov dword [rbp + 0xb0], 0
  pop rdx
  pop rax
  iretq

  RESET_VECTOR

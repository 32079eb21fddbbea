; What an exception during the delivery of another leads to (Intel SDM vol. 3, table 6-5). Every pair
; of a first exception and a gate that cannot be used is tried; vectors, error codes and CR2 of what
; is delivered in the end are logged, with the stack they are delivered on. Then SHUTDOWN
; says which double fault cannot be delivered; with 0 the program ends by itself.
%include "long-start.inc"
%ifndef SHUTDOWN
%define SHUTDOWN 0
%endif

RESUME equ 0x8000
STACK equ 0x8008
FIRST equ 0x8010
IST1 equ 0x15020        ; stacks that are told apart by their low byte
IST2 equ 0x16030
ABSENT_PAGE equ 0x3f000000
BAD_PAGE equ ABSENT_PAGE + 0x800000
NONCANONICAL equ 0x800000000000
PRESENT_IST1 equ 0x8e01
ABSENT_DATA equ 0x40    ; a stack segment that is not present
ABSENT_TASK equ 0x48

%macro HANDLER 1
handler_%1:
  mov ecx, %1
  jmp near handler
%endmacro
%assign vector 0
%rep 20
  HANDLER vector
%assign vector vector + 1
%endrep

; ECX vector; logs it, the error code if it has one, CR2 of #PF, where the stack was
handler:
  cld
  mov rbx, rsp
  mov eax, ecx
  call log64
  mov eax, 0x27d00                  ; vectors with an error code
  bt eax, ecx
  jnc .no_code
  mov rax, [rbx]
%ifndef EXACT                       ; TCG multiplies vectors in error codes by 16, and never sets EXT
  cmp ecx, 14
  je .code
  and eax, ~1
  test eax, 2
  jz .code
  xor eax, eax
.code:
%endif
  call log64
  add rbx, 8
.no_code:
  cmp ecx, 14
  jne .no_address
  mov rax, cr2
  call log64
.no_address:
  lea rax, [rbx + 40]               ; as it was before the frame
  call log64
  mov rax, [rbx + 8]                ; CS
  call log64
  cmp ecx, 8
  je .double                        ; RIP is undefined
  mov rax, [rbx]
  sub rax, [FIRST]
  call log64
.double:
  call newline
  mov rsp, [STACK]
  mov ax, DATA
  mov ss, ax
  jmp [RESUME]

; all gates as they should be, #DF on interrupt stack 1
gates:
  xor edi, edi
.next:
  push rdi
  imul eax, edi, handler_1 - handler_0
  add eax, handler_0
  mov dx, INTERRUPT_GATE
  call set_gate
  pop rdi
  inc edi
  cmp edi, 20
  jb .next
  mov byte [IDT + 8 * 16 + 4], 1
  ret

; ways that a gate, EDI its address, cannot be used
bad_gates: dq gate_good, gate_absent, gate_type, gate_null, gate_data, gate_beyond, gate_ist_absent
%ifdef EXACT                        ; TCG checks no addresses here
  dq gate_noncanonical, gate_ist_noncanonical
%endif
bad_gates_end:
gate_good:
  ret
gate_absent:                            ; #NP
  and byte [rdi + 5], 0x7f
  ret
gate_type:                              ; #GP
  mov byte [rdi + 5], 0x82
  ret
gate_null:                              ; #GP
  mov word [rdi + 2], 0
  ret
gate_data:                              ; #GP
  mov word [rdi + 2], DATA
  ret
gate_beyond:                            ; #GP
  mov word [rdi + 2], 0x7f8
  ret
gate_noncanonical:                      ; #GP
  mov dword [rdi + 8], 0x8000
  ret
gate_ist_absent:                        ; #PF
  mov byte [rdi + 4], 2
  mov qword [TSS + 44], BAD_PAGE + 0x800
  ret
gate_ist_noncanonical:                  ; #SS
  mov byte [rdi + 4], 2
  mov rax, NONCANONICAL + 0x800
  mov [TSS + 44], rax
  ret

; first exceptions: vector, code
firsts:
  dd 0, divide, 3, breakpoint, 6, undefined, 11, not_present, 12, stack, 13, protection, 14, page
firsts_end:
divide:
  xor ecx, ecx
  div ecx
undefined:
  ud2
breakpoint:
  int3
not_present:
  mov ax, ABSENT_TASK
  ltr ax
stack:
  mov ax, ABSENT_DATA
  mov ss, ax
protection:
  mov ax, CODE
  mov ss, ax
page:
  mov eax, [BAD_PAGE + 8]

main:
  mov dword [GDT + ABSENT_DATA], 0x0000ffff
  mov dword [GDT + ABSENT_DATA + 4], 0x00cf1300
  mov qword [GDT + ABSENT_TASK], 0x67
  mov dword [GDT + ABSENT_TASK + 4], 0x00000900
  mov qword [GDT + ABSENT_TASK + 8], 0
  lgdt [abs larger]
  mov qword [PD + (BAD_PAGE >> 21) * 8], 0
  mov qword [PD + (ABSENT_PAGE >> 21) * 8], 0
  mov rax, cr3
  mov cr3, rax
  mov qword [TSS + 36], IST1
%if SHUTDOWN == 0
  xor ebp, ebp
.first:
  xor esi, esi
.second:
  call gates
  LOG rbp
  LOG rsi
  mov edi, [firsts + rbp * 8]
  shl edi, 4
  add edi, IDT
  call [bad_gates + rsi * 8]
  mov qword [RESUME], .resumed
  mov [STACK], rsp
  mov eax, [firsts + rbp * 8 + 4]
  mov [FIRST], rax
  jmp rax
.resumed:
  inc esi
  cmp esi, (bad_gates_end - bad_gates) / 8
  jb .second
  inc ebp
  cmp ebp, (firsts_end - firsts) / 8
  jb .first
  ; a stack that is used up: #PF on the stack of #DF, then on a stack of its own
  mov qword [RESUME], .stack
  call gates
  mov [STACK], rsp
  mov qword [FIRST], .push
  mov rsp, BAD_PAGE + 0x200000 + 8
.push:
  push rax
  push rax
  push rax
.stack:
  mov qword [RESUME], .own
  mov byte [IDT + 14 * 16 + 4], 2
  mov qword [TSS + 44], IST2
  mov qword [FIRST], .own_push
  mov rsp, BAD_PAGE + 0x1000
.own_push:
  push rax
.own:
  ; a fault of the handler of #DF is no triple fault
  call gates
  GATE 8, .faulting
  mov byte [IDT + 8 * 16 + 4], 1
  mov qword [RESUME], .after
  mov qword [FIRST], .faulting
  and byte [IDT + 13 * 16 + 5], 0x7f
  jmp protection
.faulting:
  ud2
.after:
  ; nor are exceptions one behind the other: #UD, whose delivery faults, whose handler faults again
  call gates
  GATE 14, .again
  mov byte [IDT + 6 * 16 + 4], 2
  mov qword [TSS + 44], BAD_PAGE + 0x800
  mov qword [RESUME], .end
  mov qword [FIRST], .again
  jmp undefined
.again:
  GATE 14, handler_14
  mov eax, [BAD_PAGE]
.end:
  jmp end
%else
  call gates
  mov al, '!'
  out DEBUG_PORT, al
%if SHUTDOWN == 1                   ; #GP, #NP, then #NP
  and byte [IDT + 13 * 16 + 5], 0x7f
  and byte [IDT + 8 * 16 + 5], 0x7f
  jmp protection
%elif SHUTDOWN == 2                 ; #PF, #PF, then #PF
  mov byte [IDT + 14 * 16 + 4], 2
  mov qword [TSS + 44], BAD_PAGE + 0x800
  mov byte [IDT + 8 * 16 + 4], 2
  jmp page
%elif SHUTDOWN == 3                 ; #DE, #GP, then #SS
  mov byte [IDT + 5], 0x82
  mov rax, NONCANONICAL + 0x800
  mov [TSS + 36], rax
  jmp divide
%elif SHUTDOWN == 4                 ; #UD beyond the table: #GP, also: #DF, also
  lidt [abs nothing]
  jmp undefined
%elif SHUTDOWN == 5                 ; an interrupt by software, the same way
  lidt [abs nothing]
  int 0x40
%elif SHUTDOWN == 6                 ; the stack: #PF, #PF, and no stack for #DF either
  mov byte [IDT + 8 * 16 + 4], 0
  mov rsp, BAD_PAGE + 0x1000
  push rax
%elif SHUTDOWN == 7                 ; a table in a page that is absent
  lidt [abs elsewhere]
  mov ax, ABSENT_DATA
  mov ss, ax
%endif
%endif
larger: dw 0x57
  dq GDT
nothing: dw 0
  dq IDT
elsewhere: dw 0xfff
  dq BAD_PAGE

  RESET_VECTOR

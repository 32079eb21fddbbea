; Runs from the reset vector: real mode, 32-bit protected mode, 64-bit mode, user mode,
; compatibility mode. Every event is logged on the debug console port, 16 hexadecimal
; digits a value. With EXACT defined it does what QEMU's TCG is known to do otherwise.
bits 16
org 0xf0000
DEBUG_PORT equ 0xe9
EXIT_PORT equ 0xf4

PML4 equ 0x1000
PDPT equ 0x2000
PD equ 0x3000
PT equ 0x4000          ; maps 2 MiB .. 4 MiB page by page
IDT equ 0x6000
TSS equ 0x7000
RESUME equ 0x8000      ; where the handler goes on
BASE equ 0x8008        ; RIPs are logged relative to this
STACK equ 0x8010       ; RSP at which the handler goes on
GDT equ 0x9000
KERNEL_STACK equ 0x10000
RSP0_STACK equ 0x12000
IST_STACK equ 0x14000
USER_STACK equ 0x208000
USER_CODE equ 0x209000
CODE equ 0x08
DATA equ 0x10
CODE32 equ 0x18
USER32 equ 0x20
USER_DATA equ 0x28
USER64 equ 0x30
ABSENT equ 0x38        ; a data segment that is not present
READ_ONLY equ 0x40
TSS_SELECTOR equ 0x48  ; 16 bytes
GATE equ 0x58          ; call gate, 16 bytes
CONFORMING equ 0x68    ; 64-bit conforming code
BAD_CODE equ 0x70      ; L and D
KERNEL32 equ 0x78      ; compatibility mode at CPL 0

start:
  cli
  lgdt [cs:gdtr - start]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword CODE32:start32

align 8
gdtr: dw 0x7f
  dd gdt
gdtr_ram: dw 0x7f
  dd GDT
  dd 0
idtr: dw 0xfff
  dd IDT
  dd 0
align 8
gdt:
  dq 0
  dq 0x00209a0000000000  ; CODE
  dq 0x00cf92000000ffff  ; DATA
  dq 0x00cf9a000000ffff  ; CODE32
  dq 0x00cffa000000ffff  ; USER32
  dq 0x00cff2000000ffff  ; USER_DATA
  dq 0x0020fa0000000000  ; USER64
  dq 0x00cf12000000ffff  ; ABSENT
  dq 0x00cf90000000ffff  ; READ_ONLY
  dq 0x0000890070000067  ; TSS at 0x7000
  dq 0
  dq 0x0000ec0000080000  ; GATE: DPL 3, selector CODE; its offset is filled in
  dq 0
  dq 0x00209e0000000000  ; CONFORMING
  dq 0x00609a0000000000  ; BAD_CODE
  dq 0x00cf9a000000ffff  ; KERNEL32

bits 32
start32:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, KERNEL_STACK
  mov edi, PML4
  xor eax, eax
  mov ecx, 0x9000 / 4
  rep stosd
  mov esi, gdt
  mov edi, GDT
  mov ecx, 0x80 / 4
  rep movsd
  lgdt [gdtr_ram]
  mov dword [PML4], PDPT + 7
  mov dword [PDPT], PD + 7
  mov dword [PD], 0x83              ; 0 .. 2 MiB: supervisor, large
  mov dword [PD + 8], PT + 7        ; 2 .. 4 MiB: user, small pages
  mov ecx, 512
  mov edi, PT
  mov eax, 0x200007
.page:
  mov [edi], eax
  add eax, 0x1000
  add edi, 8
  loop .page
  ; IDT: every vector to its stub, DPL 0; 3, 4 and 0x80 with DPL 3
  xor ecx, ecx
  mov edi, IDT
.gate:
  mov eax, stubs
  mov edx, ecx
  shl edx, 4
  add eax, edx
  mov edx, eax
  and edx, 0xffff0000
  and eax, 0xffff
  or eax, CODE << 16
  mov [edi], eax
  mov dx, 0x8e00
  cmp ecx, 3
  je .user
  cmp ecx, 4
  je .user
  cmp ecx, 0x80
  jne .put
.user:
  mov dx, 0xee00
.put:
  mov [edi + 4], edx
  mov dword [edi + 8], 0
  mov dword [edi + 12], 0
  add edi, 16
  inc ecx
  cmp ecx, 256
  jb .gate
  mov byte [IDT + 8 * 16 + 4], 1    ; #DF on IST 1
  mov byte [IDT + 12 * 16 + 4], 2   ; #SS on IST 2
  mov dword [TSS + 4], RSP0_STACK
  mov dword [TSS + 36], IST_STACK
  mov dword [TSS + 44], IST_STACK + 0x1008
  mov word [TSS + 0x66], 0x68
  mov eax, 0x620 | (1 << 18)        ; PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
  mov cr4, eax
  mov eax, PML4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x901                     ; SCE, LME, NXE
  wrmsr
  mov eax, 0x80010033               ; PG, WP, NE, ET, MP, PE
  mov cr0, eax
  jmp CODE:start64

bits 64
align 16
stubs:
%assign vector 0
%rep 256
  push dword vector
  jmp near handler
  align 16
%assign vector vector + 1
%endrep

; logs RAX as 16 hexadecimal digits and a blank
log64:
  push rcx
  push rdx
  push rax
  mov cl, 60
.digit:
  mov rdx, [rsp]
  shr rdx, cl
  and edx, 15
  mov al, [abs digits + rdx]
  out DEBUG_PORT, al
  sub cl, 4
  jns .digit
  mov al, ' '
  out DEBUG_PORT, al
  pop rax
  pop rdx
  pop rcx
  ret
digits: db "0123456789abcdef"
newline:
  push rax
  mov al, 10
  out DEBUG_PORT, al
  pop rax
  ret

; stack: vector, [error code], RIP, CS, RFLAGS, RSP, SS
handler:
  cld
  push rax
  push rbx
  mov al, 'E'
  out DEBUG_PORT, al
  mov rax, [rsp + 16]
  call log64
  lea rbx, [rsp + 24]               ; frame without an error code
  cmp al, 8
  je .code
  cmp al, 10
  jb .no_code
  cmp al, 14
  jbe .code
  cmp al, 17
  jne .no_code
.code:
  push rax
  mov rax, [rbx]
  call log64
  pop rax
  add rbx, 8
.no_code:
  cmp al, 14
  jne .no_address
  push rax
  mov rax, cr2
  call log64
  pop rax
.no_address:
  mov rax, [rbx]
  sub rax, [abs BASE]
  call log64                        ; RIP relative to the test
  mov rax, [rbx + 8]
  call log64                        ; CS
  mov rax, [rbx + 16]
  and eax, 0x47700                  ; AC, NT, IOPL, DF, IF, TF
  call log64
  mov rax, [rbx + 24]
  call log64                        ; RSP
  mov rax, [rbx + 32]
  call log64                        ; SS
  mov rax, rsp
  and eax, 0xfffff000
  call log64                        ; which stack the handler is on
%ifdef EXACT
  mov ax, ss                        ; TCG: null with every interrupt stack table entry
  movzx eax, ax
  call log64
%endif
  pushfq
  pop rax
  and eax, 0x47700
  call log64
  call newline
  pop rbx
  pop rax
  mov rsp, [abs STACK]
  ; go on at CPL 0 with flags clear
  push qword DATA
  push qword [abs STACK]
  push qword 2
  push qword CODE
  push qword [abs RESUME]
  iretq

; TRY name: what follows is one test; it may fault. END: after it.
%macro TRY 0
%push try
  mov qword [abs RESUME], %$resume
  mov qword [abs BASE], %$base
  mov [abs STACK], rsp
%$base:
%endmacro
%macro END 0
%$resume:
%pop
%endmacro
%macro LOG 1
  mov rax, %1
  call log64
%endmacro
; runs what follows at CPL 3; LEAVE ends it
%macro LEAVE_USER 0
  int 0x80
%$resume:
%pop
%endmacro
%macro USER 1
%push user
  mov qword [abs RESUME], %$resume
  mov qword [abs BASE], USER_CODE
  mov [abs STACK], rsp
  mov rsi, %$code
  mov rdi, USER_CODE
  mov rcx, %$resume - %$code
  rep movsb
  push qword USER_DATA | 3
  push qword USER_STACK
  push qword %1
  push qword USER64 | 3
  push qword USER_CODE
  iretq
%$code:
%endmacro

start64:
  lidt [abs idtr]
  mov ax, TSS_SELECTOR
  ltr ax
  mov rsp, KERNEL_STACK
  mov eax, gate_target
  mov [abs GDT + GATE], ax
  shr eax, 16
  mov [abs GDT + GATE + 6], ax
  LOG cr0
  LOG cr4
  mov ecx, 0xc0000080
  rdmsr
  call log64
  str eax
  call log64
  mov rax, [abs GDT + TSS_SELECTOR]
  call log64
  call newline

  ; exceptions at CPL 0
  TRY
  ud2
  END
  TRY
  xor ecx, ecx
  div ecx
  END
  TRY
  int3
  END
  TRY
  int 0x80
  END
  TRY
  int 0x21
  END
  TRY
  mov rax, 0x800000000000
  mov rax, [rax]
  END
%ifdef EXACT
  TRY
  mov rbp, 0x800000000000
  mov rax, [rbp]
  END
%endif
  TRY
  mov rax, [abs 0x40000000]
  END
  TRY
  mov [abs 0x40000000], rax
  END
%ifdef EXACT
  TRY
  mov rax, 0x800000000000
  jmp rax
  END
%endif
  TRY
  mov rax, 0x50000000
  jmp rax
  END
  ; data segments
  TRY
  mov ax, ABSENT
  mov ds, ax
  END
  TRY
  mov ax, ABSENT
  mov ss, ax
  END
  TRY
  mov ax, READ_ONLY
  mov ss, ax
  END
  TRY
  mov ax, 0x100
  mov es, ax
  END
  TRY
  mov ax, 0x14
  mov fs, ax
  END
  TRY
  mov ax, TSS_SELECTOR
  mov gs, ax
  END
  TRY
  mov ax, DATA | 3
  mov ss, ax
  END
  TRY
  xor eax, eax
  mov ss, ax
  mov ax, ss
  call log64
  push rax
  pop rax
%ifdef EXACT
  mov ax, 3
  mov ss, ax
%else
  ud2
%endif
  END
  mov ax, DATA
  mov ss, ax
  ; control registers: TCG checks next to nothing
%ifdef EXACT
  TRY
  mov eax, 0x80000000
  mov cr0, rax
  END
  TRY
  mov rax, cr0
  or rax, 1 << 29
  mov cr0, rax
  END
  TRY
  mov rax, cr0
  btr rax, 31
  mov cr0, rax
  END
  TRY
  mov rax, cr0
  bts rax, 32
  mov cr0, rax
  END
  TRY
  mov rax, cr4
  btr rax, 5
  mov cr4, rax
  END
  TRY
  mov rax, cr4
  bts rax, 31
  mov cr4, rax
  END
  TRY
  mov rax, cr3
  bts rax, 62
  mov cr3, rax
  END
  TRY
  mov eax, 16
  mov cr8, rax
  END
%endif
  mov eax, 5
  mov cr8, rax
  LOG cr8
  call newline
%ifdef EXACT
  TRY
  mov ecx, 0xc0000080
  rdmsr
  btr eax, 8
  wrmsr
  END
  TRY
  mov ecx, 0xc0000082
  xor eax, eax
  mov edx, 0x8000
  wrmsr
  END
  TRY
  mov ecx, 0x277
  mov eax, 2
  xor edx, edx
  wrmsr
  END
%endif
  TRY
  mov ecx, 0xc0000100
  mov eax, 0x12345678
  mov edx, 0xffff8000
  wrmsr
  rdmsr
  call log64
  mov rax, rdx
  call log64
  END
  call newline
  ; descriptor tables and selectors
  sub rsp, 16
  sgdt [rsp]
  LOG [rsp + 2]
  movzx eax, word [rsp]
  call log64
  sidt [rsp]
  LOG [rsp + 2]
  add rsp, 16
  sldt eax
  call log64
  xor eax, eax
  mov ecx, CODE
  lar eax, ecx
  setz bl
%ifndef EXACT
  or ah, 1                          ; TCG does not set the accessed bit
%endif
  call log64
  movzx eax, bl
  call log64
  mov eax, 0x1234
  mov ecx, ABSENT
  lar eax, ecx
  call log64
  mov eax, 0x1234
  mov ecx, 0x7ff8
  lar eax, ecx
  setz bl
  call log64
  movzx eax, bl
  call log64
  mov ecx, DATA
  lsl eax, ecx
  call log64
  mov ecx, TSS_SELECTOR
  lsl eax, ecx
  call log64
  mov eax, 0x1234
  mov ecx, GATE
  lsl eax, ecx
  setz bl
  call log64
  mov ecx, READ_ONLY
  verr cx
  setz bl
  verw cx
  setz bh
  movzx eax, bx
  call log64
  call newline
  TRY
  mov ax, TSS_SELECTOR
  ltr ax
  END
  TRY
  mov ax, DATA
  lldt ax
  END
  TRY
  xor eax, eax
  lldt ax
  sldt eax
  call log64
  mov ax, 4
  mov es, ax
  END
  ; far transfers
  TRY
  jmp far dword [rel .absent]
.absent: dd 0
  dw ABSENT
  END
%ifdef EXACT
  TRY
  jmp far dword [rel bad_pointer]
  END
%endif
  TRY
  jmp far dword [rel null_pointer]
  END
%ifdef EXACT
  TRY
  call far dword [rel conforming_pointer]
  END
%endif
  TRY
  call far dword [rel gate_pointer]
  LOG rsp
  call newline
  END
  TRY
  push qword CODE
  push qword .returned
  retfq
.returned:
  LOG rsp
  call newline
  END
  TRY
  push qword USER_DATA
  push qword USER_STACK
  push qword USER64 | 3
  push qword USER_CODE
  retfq
  END
  TRY
  push qword 0
  push qword 0x7000
  push qword 2
  push qword CODE
  push qword .null
  iretq
.null:
  mov ax, ss
  movzx eax, ax
  call log64
  LOG rsp
  call newline
  END
  mov ax, DATA
  mov ss, ax
  mov rsp, KERNEL_STACK
  TRY
  push qword DATA
  push qword KERNEL_STACK
  push qword 2
  push qword CODE | 1
  push qword 0
  iretq
  END
  TRY
  pushfq
  or qword [rsp], 0x4000
  popfq
  push qword DATA
  push qword KERNEL_STACK
  push qword 2
  push qword CODE
  push qword 0
  iretq
  END
%ifdef EXACT
  TRY
  push qword DATA
  push qword KERNEL_STACK
  push qword 2
  push qword CODE
  mov rax, 0x8000000000000000
  push rax
  iretq
  END
%endif
  ; a stack that does not work: #SS on IST 2; #PF and then #DF on IST 1
%ifdef EXACT
  TRY
  mov rsp, 0x800000000010
  mov [rsp], rax
  END
  TRY
  mov rsp, 0x800000000010
  push rax
  END
%endif
  TRY
  mov rsp, 0x60000000
  push rax
  END
  TRY
  mov rsp, 0x60000000
  ud2
  END
  ; alignment of the handler's stack
  TRY
  sub rsp, 3
  ud2
  END
  ; single step
  TRY
  pushfq
  or qword [rsp], 0x100
  popfq
  nop
  END
  mov rax, dr6
  and eax, 0xffffefff
  call log64
  mov eax, 0xffff0ff0
  mov dr6, rax
  call newline
  ; instruction and data breakpoints
  TRY
  mov eax, .hit
  mov dr0, rax
  mov eax, 2
  mov dr7, rax
  nop
.hit:
  nop
  END
  xor eax, eax
  mov dr7, rax
  mov rax, dr6
  call log64
  mov eax, 0xffff0ff0
  mov dr6, rax
  TRY
  mov eax, 0x5800
  mov dr1, rax
  mov eax, 8 | (13 << 20)
  mov dr7, rax
  mov [abs 0x5800], eax
  nop
  END
  xor eax, eax
  mov dr7, rax
  mov rax, dr6
  call log64
  mov eax, 0xffff0ff0
  mov dr6, rax
  call newline
  ; what single steps skip and what skips them: loads of SS, INT n, SYSRET, RF
%macro STEP 0
  pushfq
  or qword [rsp], 0x100
  popfq
%endmacro
%macro DR6_LOG 0
  mov rax, dr6
  call log64
  mov eax, 0xffff0ff0
  mov dr6, rax
%endmacro
  TRY
  mov ax, ss
  STEP
  mov ss, ax                        ; no trap behind it
  nop
  nop
  END
  DR6_LOG
  TRY
  STEP
  int 0x80                          ; nor in its handler
  END
  DR6_LOG
  TRY
  mov ecx, USER_CODE
  mov r11d, 0x302
  mov dword [abs USER_CODE], 0x80cd9090
  mov qword [abs BASE], USER_CODE
  push rcx
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, ((USER32 | 3) << 16) | CODE
  wrmsr
  pop rcx
  sysret                            ; a trap before the first instruction there
  END
  DR6_LOG
%ifdef EXACT
  TRY
  STEP
  sti                               ; TCG: interrupts are inhibited, and it inhibits the trap too
  nop
  nop
  END
  DR6_LOG
  TRY
  STEP
  db 0xf1                           ; INT1: no DR6.BS
  END
  DR6_LOG
  ; a data breakpoint on the load of SS waits: the handler of INT3 is its first instruction
  mov word [abs 0x5800], DATA
  mov eax, 0x5800
  mov dr1, rax
  TRY
  mov eax, 8 | (7 << 20)
  mov dr7, rax
  mov ss, [abs 0x5800]
  int3
  END
  xor eax, eax
  mov dr7, rax
  DR6_LOG
  TRY
  mov eax, 8 | (7 << 20)
  mov dr7, rax
  mov ss, [abs 0x5800]
  db 0xf1                           ; INT1 takes it along
  END
  xor eax, eax
  mov dr7, rax
  DR6_LOG
%endif
  ; an instruction breakpoint: not behind a load of SS, not with RF; DR6.B1 is of the one before
  mov eax, 0xffff4ff2
  mov dr6, rax
  mov eax, 2
  mov dr7, rax
%ifdef EXACT
  mov eax, .after_ss
  mov dr0, rax
  mov ax, ss
  TRY
  mov ss, ax
.after_ss:
  nop
  ud2
  END
%endif
  mov eax, .resumed
  mov dr0, rax
  TRY
  push qword DATA
  push qword KERNEL_STACK
  push qword 0x10002
  push qword CODE
  push qword .resumed
  iretq
.resumed:
  nop
  ud2
  END
  TRY
  push qword DATA
  push qword KERNEL_STACK
  push qword 2
  push qword CODE
  push qword .resumed
  iretq
  END
  xor eax, eax
  mov dr7, rax
  DR6_LOG
  call newline
  ; segments of an inner level are forgotten on the way out, the bases of FS and GS are not
  mov ecx, 0xc0000101
  mov eax, USER_CODE + 0x7f0
  xor edx, edx
  wrmsr
  mov dword [abs USER_CODE + 0x800], 0x600d
  mov ax, DATA
  mov es, ax
  USER 0x2
  mov eax, [gs:0x10]
  mov r14d, eax
  mov ax, es
  movzx r15, ax
  LEAVE_USER
  LOG r14
  LOG r15
  call newline
  TRY
  mov rax, cr4
  bts rax, 3
  mov cr4, rax
  mov rax, dr4
  END
  TRY
  mov rax, cr4
  btr rax, 3
  mov cr4, rax
  mov rax, dr4
  call log64
  bts rax, 32
  mov dr6, rax
  END

  ; user mode
  USER 0x202
  mov ax, cs
  LEAVE_USER
  USER 0x3002
  LEAVE_USER
  USER 2
  hlt
  LEAVE_USER
  USER 2
  cli
  LEAVE_USER
  USER 2
  in al, 0x80
  LEAVE_USER
  USER 2
  mov rax, cr0
  LEAVE_USER
  USER 2
  mov rax, dr0
  LEAVE_USER
  USER 2
  rdmsr
  LEAVE_USER
  USER 2
  lgdt [rsp]
  LEAVE_USER
  USER 2
  invlpg [rsp]
  LEAVE_USER
  USER 2
  swapgs
  LEAVE_USER
  USER 2
  sysret
  LEAVE_USER
%ifdef EXACT
  USER 2
  int 0x20
  LEAVE_USER
%endif
  USER 2
  int3
  LEAVE_USER
  USER 2
  ud2
  LEAVE_USER
  USER 2
  mov rax, [abs 0x1000]
  LEAVE_USER
  USER 2
  mov [abs 0x1000], rax
  LEAVE_USER
  USER 2
  mov eax, 0x1000
  jmp rax
  LEAVE_USER
  USER 2
  mov ax, DATA
  mov ds, ax
  LEAVE_USER
  USER 2
  mov ax, USER_DATA
  mov ss, ax
  LEAVE_USER
  USER 2
  mov ax, USER_DATA | 3
  mov ss, ax
  mov ds, ax
  LEAVE_USER
  USER 2
  pushfq
  or qword [rsp], 0x7200
  popfq
  LEAVE_USER
  USER 0x3002
  pushfq
  or qword [rsp], 0x4200
  popfq
  LEAVE_USER
  ; alignment check
  mov rax, cr0
  bts rax, 18
  mov cr0, rax
%ifdef EXACT
  USER 0x40002
  mov rax, [rsp - 0x101]
  LEAVE_USER
%endif
  mov rax, cr0
  btr rax, 18
  mov cr0, rax
  ; the call gate from outside, its return, and system calls
  mov eax, USER_CODE
  mov ecx, 0xc0000082
  xor edx, edx
  mov eax, syscall_target
  wrmsr
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, ((USER32 | 3) << 16) | CODE
  wrmsr
  mov ecx, 0xc0000084
  mov eax, 0x4700
  xor edx, edx
  wrmsr
  USER 0x202
  mov rax, gate_pointer
  mov rbx, USER_STACK - 0x100
  mov dword [rbx], 0
  mov word [rbx + 4], GATE | 3
  call far dword [rbx]
  mov r15, rsp
  LEAVE_USER
  LOG r15
  call newline
  USER 0x602
  mov eax, 0x1234
  syscall
  mov r14, rsp
  LEAVE_USER
  LOG r14
  LOG r11
  LOG rcx
  call newline
  ; SYSRET to a compatibility-mode segment
  TRY
  mov dword [abs USER_CODE], 0x80cd ; int 0x80
  mov qword [abs BASE], USER_CODE
  mov ecx, USER_CODE
  mov r11d, 0x202
  sysret
  END
%ifdef EXACT
  TRY
  mov rcx, 0x800000000000
  mov r11d, 2
  o64 sysret
  END
%endif
  ; SYSENTER, SYSEXIT
  mov ecx, 0x174
  mov eax, CODE
  xor edx, edx
  wrmsr
  mov ecx, 0x175
  mov eax, 0x15000
  wrmsr
  mov ecx, 0x176
  mov eax, sysenter_target
  wrmsr
%ifdef EXACT
  TRY
  mov ecx, 0x174
  xor eax, eax
  xor edx, edx
  wrmsr
  sysexit
  END
%endif
  mov ecx, 0x174
  mov eax, CODE
  wrmsr

  ; paging: protection bits, NX, SMEP, SMAP, write protection
  mov dword [abs PT + 0x100 * 8], 0x300007
  mov dword [abs PT + 0x100 * 8 + 4], 0x80000000
  mov dword [abs PT + 0x101 * 8], 0x301005
  mov dword [abs PT + 0x102 * 8], 0x302003
  mov dword [abs PT + 0x103 * 8], 0x303006
  mov dword [abs PT + 0x104 * 8], 0x304007
  mov dword [abs PT + 0x104 * 8 + 4], 0x00080000
  mov byte [abs 0x305000], 0xc3
  mov rax, cr3
  mov cr3, rax
  USER 2
  mov eax, 0x300000
  mov byte [rax], 0xc3
  call rax
  LEAVE_USER
  USER 2
  mov [abs 0x301008], rax
  LEAVE_USER
  USER 2
  mov rax, [abs 0x302010]
  LEAVE_USER
  USER 2
  mov rax, [abs 0x303010]
  LEAVE_USER
%ifdef EXACT
  USER 2
  mov rax, [abs 0x304010]
  LEAVE_USER
%endif
  TRY
  mov [abs 0x301008], rax
  END
  TRY
  mov eax, 0x300000
  call rax
  END
  TRY
  mov rax, cr0
  btr rax, 16
  mov cr0, rax
  mov [abs 0x301008], rax
  bts rax, 16
  mov cr0, rax
  END
  LOG [abs PT + 0x100 * 8]
  LOG [abs PT + 0x101 * 8]
  LOG [abs PT + 0x102 * 8]
  LOG [abs PT + 0x105 * 8]
  LOG [abs PD]
  LOG [abs PD + 8]
  LOG [abs PDPT]
  LOG [abs PML4]
  call newline
  mov rax, cr4
  bts rax, 20
  bts rax, 21
  mov cr4, rax
  TRY
  mov eax, 0x305000
  call rax
  END
  TRY
  mov rax, [abs 0x305000]
  END
  TRY
  stac
  mov rax, [abs 0x305000]
  call log64
  clac
  mov rax, [abs 0x305000]
  END
  call newline
  TRY
  stac
  mov al, [abs 0x305000]
  ud2
  END
  mov rax, cr4
  btr rax, 20
  btr rax, 21
  mov cr4, rax
  TRY
  clac                              ; needs CPUID's SMAP, not that of CR4
  END

  ; extended state
  TRY
  mov ecx, 1
  xor eax, eax
  xor edx, edx
  mov ecx, 5
  xsetbv
  END
  TRY
  mov eax, 2
  xor edx, edx
  xor ecx, ecx
  xsetbv
  END
  mov eax, 3
  xor edx, edx
  xor ecx, ecx
  xsetbv
  xgetbv
  call log64
  TRY
  xsave [abs 0x5008]
  END
  fninit
  fld1
  fldpi
  mov eax, 0x3f800000
  movd xmm0, eax
  movd xmm15, eax
  mov rdi, 0x5000
  xor eax, eax
  mov ecx, 72
  rep stosq
  mov eax, 3
  xor edx, edx
  xsave64 [abs 0x5000]
  mov word [abs 0x5006], 0          ; the last opcode
  LOG [abs 0x5000]
  LOG [abs 0x5020]
  LOG [abs 0x5028]
  LOG [abs 0x50a0]
  LOG [abs 0x5190]
  LOG [abs 0x5200]
  call newline
  fninit
  pxor xmm0, xmm0
  xrstor64 [abs 0x5000]
  movd eax, xmm0
  call log64
  fstp qword [abs 0x5000]
  LOG [abs 0x5000]
  TRY
  mov byte [abs 0x5200], 7
  mov eax, 7
  xrstor64 [abs 0x5000]
  END
%ifdef EXACT
  TRY
  mov byte [abs 0x5200], 0
  mov dword [abs 0x5018], 0x10000
  xrstor64 [abs 0x5000]
  END
%endif
  TRY
  fxsave [abs 0x5008]
  END
  TRY
  mov rax, cr0
  bts rax, 3
  mov cr0, rax
  fxsave [abs 0x5000]
  END
  clts
  call newline

  ; compatibility mode at CPL 3
  TRY
  mov dword [abs USER_CODE], 0x9a9090      ; CALLF
  mov word [abs USER_CODE + 7], 0xffff
  mov dword [abs USER_CODE], 0x909080cd    ; int 0x80
  mov qword [abs BASE], USER_CODE
  push qword USER_DATA | 3
  push qword USER_STACK
  push qword 0x202
  push qword USER32 | 3
  push qword USER_CODE
  iretq
  END
  TRY
  mov dword [abs USER_CODE], 0xff10a190    ; mov eax, [0x0000ff10]
  mov dword [abs USER_CODE + 4], 0x00000000
  mov qword [abs BASE], USER_CODE
  push qword USER_DATA | 3
  push qword USER_STACK
  push qword 0x202
  push qword USER32 | 3
  push qword USER_CODE
  iretq
  END
  ; compatibility mode at CPL 0
  TRY
  push qword KERNEL32
  push qword .in32
  retfq
bits 32
.in32:
  mov eax, 0x12345678
  pushfd
  pop ebx
  push ds
  pop ecx
  ud2
bits 64
  END

  ; double fault: a #GP whose gate is not present
  TRY
  mov byte [abs IDT + 13 * 16 + 5], 0x0e
  mov byte [abs IDT + 11 * 16 + 5], 0x0e
  mov ax, 0x100
  mov es, ax
  END
  mov byte [abs IDT + 13 * 16 + 5], 0x8e
  mov byte [abs IDT + 11 * 16 + 5], 0x8e
  ; gates: wrong type, wrong segment, beyond the limit
%ifdef EXACT
  TRY
  mov byte [abs IDT + 0x30 * 16 + 5], 0x80
  int 0x30
  END
%endif
  TRY
  mov word [abs IDT + 0x31 * 16 + 2], DATA
  int 0x31
  END
  TRY
  mov word [abs IDT + 0x32 * 16 + 2], 0
  int 0x32
  END
%ifdef EXACT
  TRY
  mov dword [abs IDT + 0x33 * 16 + 8], 0x8000
  int 0x33
  END
%endif
  mov al, 0x10
  out EXIT_PORT, al
  hlt

gate_target:
  LOG rsp
  mov rax, [rsp + 8]
  call log64
  mov ax, ss
  movzx eax, ax
  call log64
  mov ax, cs
  movzx eax, ax
  call log64
  pushfq
  pop rax
  and eax, 0x47700
  call log64
  call newline
  retfq

syscall_target:
  mov rbx, rcx
  mov rax, rcx
  call log64
  LOG r11
  mov ax, cs
  movzx eax, ax
  call log64
  mov ax, ss
  movzx eax, ax
  call log64
  pushfq
  pop rax
  and eax, 0x47700
  call log64
  LOG rsp
  call newline
  mov rcx, rbx
  o64 sysret
sysenter_target:
  ud2

align 8
bad_pointer: dd 0
  dw BAD_CODE
null_pointer: dd 0
  dw 0
gate_pointer: dd 0
  dw GATE
conforming_pointer: dd conforming_target
  dw CONFORMING
conforming_target:
  mov ax, cs
  movzx eax, ax
  call log64
  call newline
  db 0x48, 0x87, 0x04, 0x24 ; xchg rax, [rsp]
  db 0x48, 0x87, 0x04, 0x24
  retf

times 0xfff0 - ($ - $$) db 0
bits 16
  jmp word 0xf000:0
times 0x10000 - ($ - $$) db 0

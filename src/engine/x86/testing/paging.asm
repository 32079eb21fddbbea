; Runs from the reset vector in 32-bit protected mode: every combination of the rights in two levels
; of 32-bit and PAE paging, and of CR0.WP, CR4.SMEP, CR4.SMAP, RFLAGS.AC and EFER.NXE, with reads,
; writes and fetches at CPL 0 and 3. Of each configuration it logs how many accesses there were and a
; checksum of their error codes, CR2, accessed and dirty flags. With EXACT defined there are reserved
; bits too: TCG's error codes lack the present flag then. With VERBOSE defined every access is logged:
; configuration, PDE and PTE before, access, error code (-1: no fault), CR2, PDE and PTE after.
bits 16
org 0xf0000
DEBUG_PORT equ 0xe9
EXIT_PORT equ 0xf4
TEXT equ 0xf0000

IDT equ 0x6000
TSS equ 0x7000
GDT equ 0x9000
KERNEL_STACK equ 0x10000
CONFIG equ 0x8000
PDE_LOW equ 0x8004      ; what the case put into the two entries
PDE_HIGH equ 0x8008
PTE_LOW equ 0x800c
PTE_HIGH equ 0x8010
ACCESS equ 0x8014
ERROR equ 0x8018
ADDRESS equ 0x801c
STACK equ 0x8020
SUM equ 0x8024
COUNT equ 0x8028
PAE_MODE equ 0x802c
CASE equ 0x8030
PDPT equ 0x200000
PD equ 0x201000
PT equ 0x202000
SMALL_PAGE equ 0x210000
LARGE_PAGE equ 0x400000 ; of 2 or 4 MiB
TARGET equ 0x800000     ; linear
USER equ 0xc00000       ; linear: the first 2 or 4 MiB for CPL 3
USER_STACK equ USER + 0x20000
CODE equ 0x08
DATA equ 0x10
USER_CODE equ 0x1b
USER_DATA equ 0x23
TSS_SELECTOR equ 0x28

P equ 1
W equ 2
U equ 4
PS equ 0x80
NX equ 0x80000000       ; of the upper half

start:
  cli
  cld
  xor ax, ax
  mov es, ax
  mov di, GDT
  mov si, gdt - TEXT
  mov cx, gdt_end - gdt
  cs rep movsb                      ; where it can be written
  o32 lgdt [cs:word gdt_pointer - TEXT]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword CODE:protected

align 8
gdt:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
  dq 0x00cffb000000ffff
  dq 0x00cff3000000ffff
  dq 0x0000890070000067  ; TSS
gdt_end:
gdt_pointer: dw gdt_end - gdt - 1
  dd GDT
idt_pointer: dw 0x7ff
  dd IDT

bits 32
protected:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, KERNEL_STACK
  ; vectors: #GP, #PF, INT 0x80
  mov edi, IDT
  mov ecx, 512
  xor eax, eax
  rep stosd
  mov eax, page_fault
  mov ebx, 14
  mov dx, 0x8e00
  call set_gate
  mov eax, general_protection
  mov ebx, 13
  call set_gate
  mov eax, no_fault
  mov ebx, 0x80
  mov dx, 0xee00
  call set_gate
  lidt [idt_pointer]
  mov dword [TSS + 4], KERNEL_STACK - 0x100
  mov dword [TSS + 8], DATA
  mov ax, TSS_SELECTOR
  ltr ax
  mov byte [SMALL_PAGE], 0xc3
  mov byte [LARGE_PAGE], 0xc3
  mov esi, user_code
  mov edi, 0x20000
  mov ecx, user_code_end - user_code
  rep movsb
  ; the entries that stay: identity for CPL 0, the same memory for CPL 3
  mov edi, PDPT
  mov ecx, 0x3000 / 4
  xor eax, eax
  rep stosd
  mov dword [PAE_MODE], 0
  mov dword [PD], P | W | PS
  mov dword [PD + 12], P | W | U | PS
  mov eax, 0x10
  mov cr4, eax
  call configurations
  mov dword [PAE_MODE], 1
  mov ax, DATA
  mov es, ax                        ; returns to CPL 3 have forgotten it
  mov edi, PD
  mov ecx, 0x400
  xor eax, eax
  rep stosd
  mov dword [PDPT], PD + 1
  mov dword [PD], P | W | PS
  mov dword [PD + 8], 0x200000 + (P | W | PS)
  mov dword [PD + 48], P | W | U | PS
  mov eax, 0x30
  mov cr4, eax
  call configurations
%ifdef EXACT
  ; PAE: the pointers are checked when CR3 is loaded, whether they are used or not
  mov eax, PDPT
  mov cr3, eax
  mov eax, cr0
  bts eax, 31
  mov cr0, eax
  mov dword [PDPT + 24], 0x1e6      ; not present: nothing is reserved
  mov eax, PDPT
  mov cr3, eax
  mov dword [PDPT + 24], 3
  mov cr3, eax                      ; #GP
  mov dword [PDPT + 24], 1
  mov dword [PDPT + 28], 0x80000000
  mov cr3, eax                      ; #GP
  mov dword [PDPT + 28], 0
  mov cr3, eax
%endif
  xor eax, eax
  out EXIT_PORT, al
  jmp $

; EAX handler, EBX vector, DX rights
set_gate:
  mov [IDT + ebx * 8], ax
  mov word [IDT + ebx * 8 + 2], CODE
  mov [IDT + ebx * 8 + 4], dx
  shr eax, 16
  mov [IDT + ebx * 8 + 6], ax
  ret

; skips an instruction of three bytes
general_protection:
  push eax
  mov al, 'G'
  out DEBUG_PORT, al
  mov eax, [esp + 4]
  call log32
  mov eax, [esp + 8]
  call log32
  call newline
  pop eax
  add esp, 4
  add dword [esp], 3
  iret

configurations:
  mov dword [CONFIG], 0
.configuration:
  mov dword [SUM], 0
  mov dword [COUNT], 0
  mov dword [CASE], 0
.case:
  call entries
  mov dword [ACCESS], 0
.access:
  call one_access
  inc dword [ACCESS]
  cmp dword [ACCESS], 6
  jb .access
  inc dword [CASE]
  cmp dword [CASE], 0x800
  jb .case
  call log_sum
  inc dword [CONFIG]
  mov eax, [PAE_MODE]
  inc eax
  shl eax, 4                        ; NXE is for PAE
  cmp [CONFIG], eax
  jb .configuration
  ret

log_sum:
  mov eax, [PAE_MODE]
  call log32
  mov eax, [CONFIG]
  call log32
  mov eax, [COUNT]
  call log32
  mov eax, [SUM]
  call log32
  jmp newline

; CASE: bits 0..2 P, W, U of the PDE, 3 PS, 4 its reserved bit, 5 its NX,
; 6..8 P, W, U of the PTE, 9 its reserved bit, 10 its NX
entries:
  mov eax, [CASE]
  mov ebx, eax
  and ebx, 7
  xor ecx, ecx                      ; upper half
  test eax, 8
  jz .small
  or ebx, LARGE_PAGE | PS
  jmp .pde
.small:
  or ebx, PT
.pde:
  test eax, 0x10
  jz .pde_nx
  test eax, 8
  jz .pde_51
  or ebx, 0x2000                    ; PAE: bit 13
  cmp dword [PAE_MODE], 0
  jne .pde_nx
  xor ebx, 0x202000                 ; bit 21
  jmp .pde_nx
.pde_51:
  or ecx, 0x80000
.pde_nx:
  test eax, 0x20
  jz .store_pde
  or ecx, NX
.store_pde:
  mov [PDE_LOW], ebx
  mov [PDE_HIGH], ecx
  mov ebx, eax
  shr ebx, 6
  and ebx, 7
  or ebx, SMALL_PAGE
  xor ecx, ecx
  test eax, 0x200
  jz .pte_nx
  or ecx, 0x80000
.pte_nx:
  test eax, 0x400
  jz .store_pte
  or ecx, NX
.store_pte:
  mov [PTE_LOW], ebx
  mov [PTE_HIGH], ecx
  ret

; Leaves out cases with bits that mean nothing in this mode, and those with reserved bits unless EXACT
; and nothing but WP and NXE are at stake.
one_access:
  mov eax, [CASE]
  mov ecx, 0x620                    ; 32-bit paging: no NX, nothing reserved in a PTE
  cmp dword [PAE_MODE], 0
  jne .pae
%ifdef EXACT
  test eax, 8                       ; in a PDE only of a large page
  jnz .chosen
%endif
  or ecx, 0x10
  jmp .chosen
.pae:
  xor ecx, ecx
%ifdef EXACT
  test dword [CONFIG], 0xe
  jz .chosen
%endif
  mov ecx, 0x210
  test dword [CONFIG], 0x10
  jnz .chosen
  mov ecx, 0x630
.chosen:
  test eax, ecx
  jnz .left_out
  call place
  call paging_on
  mov dword [ERROR], -1
  mov dword [ADDRESS], 0
  mov [STACK], esp
  mov eax, [ACCESS]
  ; AC for CPL 0
  push dword 2
  test dword [CONFIG], 8
  jz .flags
  or dword [esp], 0x40000
.flags:
  cmp eax, 3
  jae .user
  popfd
  jmp [.supervisor + eax * 4]
.supervisor: dd .read, .write, .fetch
.read:
  mov eax, [TARGET + 0x20]
  jmp done
.write:
  mov dword [TARGET + 0x20], 1
  jmp done
.fetch:
  mov eax, TARGET
  call eax
  jmp done
.user:
  sub eax, 3
  imul eax, eax, 16
  add eax, USER + 0x20000
  push dword 2
  popfd
  mov ecx, USER_DATA
  push ecx
  push dword USER_STACK
  push dword 2
  push dword USER_CODE
  push eax
  mov ds, cx
  iret
.left_out:
  ret

align 16
user_code:
  mov eax, [TARGET + 0x20]
  int 0x80
  align 16
  mov dword [TARGET + 0x20], 1
  int 0x80
  align 16
  mov eax, TARGET
  call eax
  int 0x80
user_code_end:

page_fault:
  push dword DATA
  pop ds
  pop dword [ERROR]
  mov eax, cr2
  mov [ADDRESS], eax
  jmp done
no_fault:
  mov ax, DATA
  mov ds, ax
done:
  mov esp, [STACK]
  push dword 2
  popfd
  ; paging off, so that the entries can be read
  mov eax, cr0
  btr eax, 31
  mov cr0, eax
  mov eax, cr4
  and eax, 0x30
  or eax, 0x10
  mov cr4, eax
  call fetch_entries
  ; a walk that fails may or may not have set the accessed flag above
  cmp dword [ERROR], -1
  je .add
  and ebx, ~0x20
.add:
%ifdef VERBOSE
  pushad
  mov eax, [CONFIG]
  call log32
  mov eax, [PDE_HIGH]
  call log32
  mov eax, [PDE_LOW]
  call log32
  mov eax, [PTE_HIGH]
  call log32
  mov eax, [PTE_LOW]
  call log32
  mov eax, [ACCESS]
  call log32
  mov eax, [ERROR]
  call log32
  mov eax, [ADDRESS]
  call log32
  mov eax, ebx
  call log32
  mov eax, edx
  call log32
  call newline
  popad
%endif
  mov eax, [SUM]
  xor eax, [ERROR]
  imul eax, eax, 0x01000193
  xor eax, [ADDRESS]
  imul eax, eax, 0x01000193
  xor eax, ebx
  imul eax, eax, 0x01000193
  xor eax, edx
  imul eax, eax, 0x01000193
  mov [SUM], eax
  inc dword [COUNT]
  ret

; puts the two entries into the tables
place:
  mov ebx, [PDE_LOW]
  mov edx, [PTE_LOW]
  cmp dword [PAE_MODE], 0
  jne .wide
  mov [PD + (TARGET >> 22) * 4], ebx
  mov [PT], edx
  ret
.wide:
  mov [PD + (TARGET >> 21) * 8], ebx
  mov [PT], edx
  mov ebx, [PDE_HIGH]
  mov [PD + (TARGET >> 21) * 8 + 4], ebx
  mov edx, [PTE_HIGH]
  mov [PT + 4], edx
  ret

; EBX the PDE, EDX the PTE, lower halves
fetch_entries:
  mov edx, [PT]
  mov ebx, [PD + (TARGET >> 22) * 4]
  cmp dword [PAE_MODE], 0
  je .end
  mov ebx, [PD + (TARGET >> 21) * 8]
.end:
  ret

paging_on:
  mov ecx, 0xc0000080
  rdmsr
  mov ebx, [CONFIG]
  and eax, ~0x800
  cmp dword [PAE_MODE], 0
  je .efer
  test ebx, 0x10
  jz .efer
  or eax, 0x800
.efer:
  wrmsr
  mov eax, cr4
  and eax, 0x30
  test ebx, 2
  jz .smap
  bts eax, 20
.smap:
  test ebx, 4
  jz .cr4
  bts eax, 21
.cr4:
  mov cr4, eax
  mov eax, PD
  cmp dword [PAE_MODE], 0
  je .cr3
  mov eax, PDPT
.cr3:
  mov cr3, eax
  mov eax, cr0
  btr eax, 16
  test ebx, 1
  jz .cr0
  bts eax, 16
.cr0:
  bts eax, 31
  mov cr0, eax
  ret

; logs EAX as 8 hexadecimal digits and a blank
log32:
  push ecx
  push eax
  mov ecx, 8
.digit:
  rol dword [esp], 4
  mov eax, [esp]
  and eax, 15
  mov al, [digits + eax]
  out DEBUG_PORT, al
  loop .digit
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

times 0xfff0 - ($ - $$) db 0
bits 16
  jmp word 0xf000:0
times 0x10000 - ($ - $$) db 0

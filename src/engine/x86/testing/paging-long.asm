; 4-level paging with pages of 4 KiB, 2 MiB and 1 GiB: rights, presence, NX and other bits of entries
; at every level by chance, with CR0.WP, CR4.SMEP, CR4.SMAP, RFLAGS.AC and EFER.NXE in every
; combination, and reads, writes and fetches at CPL 0 and 3. New entries come into force by INVLPG and
; by loads of CR3 in turn. Of each configuration it logs a checksum of error codes, CR2, what was
; read, where writes went, accessed and dirty flags. With EXACT defined error codes are as they are:
; TCG's lack the present flag where a reserved bit is set, and it sets the accessed flags of larger
; pages that it denies. With VERBOSE defined every access is
; logged: configuration, the four entries before, access, error code (-1: no fault), CR2, EAX, the
; three pages' words, the entries after.
%include "long-start.inc"

CONFIG equ 0x8000
CASE equ 0x8004
ACCESS equ 0x8008
SUM equ 0x800c
RANDOM equ 0x8010
LEAF equ 0x8018         ; level: 1, 2 or 3 for a page of 4 KiB, 2 MiB, 1 GiB
ERROR equ 0x8020
ADDRESS equ 0x8028
STACK equ 0x8030
VALUE equ 0x8038
ENTRIES equ 0x8040      ; of levels 1 to 4, as placed
PLACES equ 0x8060       ; and where
CASES equ 400

SMALL_PAGE equ 0x600000
LARGE_PAGE equ 0x400000
TABLES equ 0x700000     ; of levels 3, 2, 1
OFFSET equ 0x210000
TARGET equ 0x80c0210000 ; PML4E 1, PDPTE 3, PDE 1, PTE 16
USER equ 0x10000000000  ; PML4E 2: the first 2 MiB for CPL 3
USER_TEXT equ 0x20000
USER_TABLES equ 0x704000

; a page: code at its start, a word to read, one to write
%macro PAGE 2
  mov byte [%1], 0xb8               ; mov eax, value
  mov dword [%1 + 1], %2
  mov byte [%1 + 5], 0xc3
  mov dword [%1 + 0x20], %2 + 1
%endmacro

main:
  GATE 14, page_fault
  GATE 0x80, no_fault, USER_GATE
  PAGE OFFSET, 0x10000000
  PAGE LARGE_PAGE + (OFFSET & 0x1fffff), 0x20000000
  PAGE SMALL_PAGE, 0x40000000
  mov esi, user_code
  mov edi, USER_TEXT
  mov ecx, user_code_end - user_code
  rep movsb
  mov edi, TABLES
  mov ecx, 0x6000 / 8
  xor eax, eax
  rep stosq
  mov qword [PML4 + 16], USER_TABLES + (P | W | U)
  mov qword [USER_TABLES], USER_TABLES + 0x1000 + (P | W | U)
  mov qword [USER_TABLES + 0x1000], P | W | U | PS
  mov qword [PLACES + 24], PML4 + 8
  mov qword [PLACES + 16], TABLES + 3 * 8
  mov qword [PLACES + 8], TABLES + 0x1000 + 8
  mov qword [PLACES], TABLES + 0x2000 + 16 * 8
  mov dword [CONFIG], 0
.configuration:
  call configure
  mov dword [SUM], 0
  mov dword [CASE], 0
  mov qword [RANDOM], 1
.case:
  call draw
  mov dword [ACCESS], 0
.access:
  call one_access
  inc dword [ACCESS]
  cmp dword [ACCESS], 6
  jb .access
  inc dword [CASE]
  cmp dword [CASE], CASES
  jb .case
  mov eax, [CONFIG]
  call log64
  mov eax, [SUM]
  call log64
  call newline
  inc dword [CONFIG]
  cmp dword [CONFIG], 32
  jb .configuration
  jmp end

configure:
  mov ebx, [CONFIG]
  mov rax, cr0
  btr eax, 16
  test ebx, 1
  jz .cr0
  bts eax, 16
.cr0:
  mov cr0, rax
  mov rax, cr4
  and eax, ~0x300000
  test ebx, 2
  jz .smap
  bts eax, 20
.smap:
  test ebx, 4
  jz .cr4
  bts eax, 21
.cr4:
  mov cr4, rax
  ; no entry may have NX set while NXE changes
  mov qword [PML4 + 8], 0
  mov ecx, 0xc0000080
  rdmsr
  and eax, ~0x800
  test ebx, 0x10
  jz .efer
  or eax, 0x800
.efer:
  wrmsr
  ret

; EAX a random number below ECX, at most 2 ** 16
random:
  mov rax, 6364136223846793005
  imul rax, [RANDOM]
  mov rdx, 1442695040888963407
  add rax, rdx
  mov [RANDOM], rax
  shr rax, 48
  imul eax, ecx
  shr eax, 16
  ret

; entries of all levels for the next case
draw:
  mov ecx, 3
  call random
  inc eax
  mov [LEAF], eax
  mov ebx, 4                        ; level
.level:
  ; what it points at
  mov rsi, [.tables + rbx * 8 - 8]
  cmp ebx, [LEAF]
  jne .rights
  mov rsi, [.pages + rbx * 8 - 8]
.rights:
  mov ecx, 32
  call random
  test eax, eax
  jz .absent
  or esi, P
.absent:
  mov ecx, 4
  call random
  test eax, eax
  jz .read_only
  or esi, W
.read_only:
  mov ecx, 6
  call random
  test eax, eax
  jz .supervisor
  or esi, U
.supervisor:
  mov ecx, 12
  call random
  test eax, eax
  jnz .executable
  bts rsi, 63
.executable:
  ; another bit
  mov ecx, 12
  call random
  test eax, eax
  jnz .store
  mov ecx, .bits_end - .bits
  call random
  movzx eax, byte [.bits + rax]
  cmp eax, 40
  jae .set
  cmp eax, 12
  jb .set
  ; bits of addresses: only where a page is larger
  cmp ebx, [LEAF]
  jne .store
  cmp ebx, 1
  je .store
  cmp eax, 21
  jb .set
  cmp ebx, 3
  jne .store
.set:
  bts rsi, rax
.store:
  mov [ENTRIES + rbx * 8 - 8], rsi
  dec ebx
  jnz .level
  ret
align 8
.tables: dq 0, TABLES + 0x2000, TABLES + 0x1000, TABLES
.pages: dq SMALL_PAGE, LARGE_PAGE | PS, PS
; PWT, PCD, accessed, dirty, PS or PAT, G, ignored ones, PAT, reserved in larger pages, reserved, ignored
.bits: db 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 20, 21, 29, 40, 46, 51, 52, 58, 59, 62
.bits_end:

one_access:
  mov ecx, 4
.place:
  mov rax, [ENTRIES + rcx * 8 - 8]
  mov rdi, [PLACES + rcx * 8 - 8]
  mov [rdi], rax
  loop .place
  mov dword [OFFSET + 0x24], 0
  mov dword [LARGE_PAGE + (OFFSET & 0x1fffff) + 0x24], 0
  mov dword [SMALL_PAGE + 0x24], 0
  mov rbx, TARGET
  test dword [CASE], 1
  jz .cr3
  invlpg [rbx]
  jmp .fresh
.cr3:
  mov rax, cr3
  mov cr3, rax
.fresh:
  mov qword [ERROR], -1
  mov qword [ADDRESS], 0
  mov [STACK], rsp
  mov ecx, [ACCESS]
  cmp ecx, 3
  jae .user
  ; AC
  push qword 2
  test dword [CONFIG], 8
  jz .flags
  or dword [rsp], 0x40000
.flags:
  xor eax, eax
  popfq
  jmp [.supervisor + rcx * 8]
align 8
.supervisor: dq .read, .write, .fetch
.read:
  mov eax, [rbx + 0x20]
  jmp done
.write:
  mov dword [rbx + 0x24], 5
  jmp done
.fetch:
  call rbx
  jmp done
.user:
  sub ecx, 3
  shl ecx, 4
  mov rax, USER + USER_TEXT
  add rcx, rax
  push qword USER_DATA
  add rax, 0x10000
  push rax
  push qword 2
  push qword USER_CODE
  push rcx
  xor eax, eax
  iretq

align 16
user_code:
  mov eax, [rbx + 0x20]
  int 0x80
  align 16
  mov dword [rbx + 0x24], 5
  int 0x80
  align 16
  call rbx
  int 0x80
user_code_end:

page_fault:
  pop qword [ERROR]
  mov rcx, cr2
  mov [ADDRESS], rcx
no_fault:
done:
  mov rsp, [STACK]
  push qword 2
  popfq
  mov [VALUE], eax
%ifndef EXACT
  test dword [ERROR], 8
  jz .exact
  or dword [ERROR], 1
.exact:
%endif
%ifdef VERBOSE
  mov eax, [CONFIG]
  call log64
  mov ecx, 4
.before:
  LOG [ENTRIES + rcx * 8 - 8]
  loop .before
  mov eax, [ACCESS]
  call log64
  LOG [ERROR]
  LOG [ADDRESS]
%endif
  mov ebx, [SUM]
  mov eax, [ERROR]
  call .mix
  mov eax, [ADDRESS]
  call .mix
  mov eax, [ADDRESS + 4]
  call .mix
  mov eax, [VALUE]
  call .mix
  mov eax, [OFFSET + 0x24]
  call .mix
  mov eax, [LARGE_PAGE + (OFFSET & 0x1fffff) + 0x24]
  call .mix
  mov eax, [SMALL_PAGE + 0x24]
  call .mix
  mov ecx, 4
.entry:
  mov rdi, [PLACES + rcx * 8 - 8]
  mov eax, [rdi]
  ; a walk that fails may or may not have set accessed flags above
  cmp dword [ERROR], -1
  je .add
%ifdef EXACT
  cmp ecx, [LEAF]
%else
  cmp ecx, 1
%endif
  jbe .add
  and eax, ~ACCESSED
.add:
  call .mix
  loop .entry
  mov [SUM], ebx
%ifdef VERBOSE
  call newline
%endif
  ret
.mix:
%ifdef VERBOSE
  call log64
%endif
  xor ebx, eax
  imul ebx, ebx, 0x01000193
  ret

  RESET_VECTOR

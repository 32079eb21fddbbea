; Cached translations (Intel SDM vol. 3, 4.10): only what must hold of them, since any may be kept or
; dropped at other times. Each line names a page by what is read there and what code there returns.
; With EXACT defined process-context identifiers and INVPCID, too: TCG has neither.
%include "long-start.inc"
RESUME equ 0x8000
DESCRIPTOR equ 0x8010
WINDOW equ 0x3f800000
ENTRY equ PD + (WINDOW >> 21) * 8
PT equ 0x20000
OTHER_PML4 equ 0x21000              ; the same with another table for the window
OTHER_PDPT equ 0x22000
OTHER_PD equ 0x23000
OTHER_PT equ 0x24000
PAGES equ 0x200000
CR4_PGE equ 7
CR4_PCIDE equ 17
KEEP equ 63                         ; of CR3

%macro MAP 2-3 0                    ; table, page, more flags
  mov qword [%1], PAGES + %2 * 0x1000 + (P | W | %3)
%endmacro
%macro SHOW 0-1 WINDOW
  mov ebx, %1
  call show
%endmacro
%macro INVALIDATE 1
  invlpg [abs %1]
%endmacro
%macro TOGGLE 1                     ; bit of CR4
  mov rax, cr4
  btc rax, %1
  mov cr4, rax
%endmacro
%macro SPACE 2-3 0                  ; PML4, PCID, whether translations may be kept
  mov eax, %1 | %2
%if %3
  bts rax, KEEP
%endif
  mov cr3, rax
%endmacro
%macro INVPCID 2                    ; type, PCID
  mov qword [DESCRIPTOR], %2
  mov qword [DESCRIPTOR + 8], WINDOW
  mov eax, %1
  invpcid rax, [DESCRIPTOR]
%endmacro
%macro TRY 0
%push
  mov qword [RESUME], %$resume
%endmacro
%macro END 0
  xor eax, eax
  call log64
%$resume:
%pop
%endmacro

main:
  GATE 13, protection
  mov edi, PAGES
  mov ecx, 1
.page:
  mov [rdi], ecx
  mov byte [rdi + 8], 0xb8          ; mov eax, number
  mov [rdi + 9], ecx
  mov byte [rdi + 13], 0xc3
  add edi, 0x1000
  inc ecx
  cmp edi, PAGES + 0x400000
  jb .page
  mov edi, PT
  mov ecx, 0x5000 / 8
  xor eax, eax
  rep stosq
  mov esi, PD
  mov edi, OTHER_PD
  mov ecx, 512
  rep movsq
  mov qword [OTHER_PML4], OTHER_PDPT + (P | W)
  mov qword [OTHER_PDPT], OTHER_PD + (P | W)
  mov qword [OTHER_PD + (WINDOW >> 21) * 8], OTHER_PT + (P | W)
  mov qword [ENTRY], PT + (P | W)
  SPACE PML4, 0

  ; a page anew: INVLPG, a load of CR3
  MAP PT, 0
  SHOW
  MAP PT, 1
  INVALIDATE WINDOW
  SHOW
  MAP PT, 2
  INVALIDATE WINDOW + 0xfff
  SHOW
  MAP PT, 3
  SPACE PML4, 0
  SHOW
  ; what is shown does not depend on a load of CR3; other address spaces are others
  MAP OTHER_PT, 4
  SPACE OTHER_PML4, 0
  SHOW
  SPACE PML4, 0
  SHOW
  call newline
  ; tables above: also for pages that INVLPG does not name, after a load of CR3
  MAP PT + 8, 5
  SHOW WINDOW + 0x1000
  MAP OTHER_PT + 8, 6
  mov qword [ENTRY], OTHER_PT + (P | W)
  SPACE PML4, 0
  SHOW
  SHOW WINDOW + 0x1000
  call newline
  ; a page of 2 MiB goes as a whole, whatever part of it INVLPG names
  mov qword [ENTRY], PAGES + (P | W | PS)
  SPACE PML4, 0
  SHOW
  SHOW WINDOW + 0x1000
  SHOW WINDOW + 0x1ff000
  mov qword [ENTRY], PAGES + 0x200000 + (P | W | PS)
  INVALIDATE WINDOW + 0x5000
%ifdef EXACT
  SHOW
  SHOW WINDOW + 0x1000
  SHOW WINDOW + 0x1ff000
%else                               ; QEMU 7.2 goes on with code of the old page
  LOG [abs WINDOW]
  LOG [abs WINDOW + 0x1000]
  LOG [abs WINDOW + 0x1ff000]
%endif
  mov qword [ENTRY], PT + (P | W)
  SPACE PML4, 0
  call newline
  ; global pages: as before after a load of CR3; anew by INVLPG, and by either change of CR4.PGE
  TOGGLE CR4_PGE
  MAP PT, 6, G
  INVALIDATE WINDOW
  SHOW
  SPACE PML4, 0
  SHOW
  MAP PT, 7, G
  INVALIDATE WINDOW
  SHOW
  MAP PT, 8, G
  TOGGLE CR4_PGE
  SHOW
  MAP PT, 9, G
  TOGGLE CR4_PGE
  SHOW
  call newline
%ifdef EXACT
  ; identifiers: two address spaces, kept and not
  MAP PT, 10
  INVALIDATE WINDOW
  SPACE PML4, 1                     ; without CR4.PCIDE these are other bits: it cannot be set
  TRY
  TOGGLE CR4_PCIDE
  END
  SPACE PML4, 0
  TRY
  SPACE PML4, 0, 1
  END
  TRY
  INVPCID 0, 1
  END
  TRY
  INVPCID 1, 1
  END
  TRY
  INVPCID 1, 0
  END
  TOGGLE CR4_PCIDE
  MAP OTHER_PT, 11
  SPACE PML4, 1
  SHOW
  SPACE OTHER_PML4, 2
  SHOW
  SPACE PML4, 1, 1
  SHOW
  SPACE OTHER_PML4, 2, 1
  SHOW
  LOG cr3                           ; without bit 63
  call newline
  ; each type, from the other address space: 0 the page, 1 the identifier, 2 all, 3 all but global ones
%assign type 0
%rep 4
  SPACE PML4, 1, 1
  SHOW
  SPACE OTHER_PML4, 2, 1
  MAP PT, (12 + type)
  INVPCID type, 1
  SHOW
  SPACE PML4, 1, 1
  SHOW
%assign type type + 1
%endrep
  call newline
  ; the present one; global pages by type 2
  MAP PT, 16
  INVPCID 0, 1
  SHOW
  MAP PT, 17
  INVPCID 1, 1
  SHOW
  MAP PT, 18, G
  INVPCID 0, 1
  SHOW
  MAP PT, 19, G
  INVPCID 2, 0
  SHOW
  MAP PT, 20
  INVALIDATE WINDOW
  SHOW
  ; a load of CR3 for an identifier that keeps nothing
  MAP PT, 21
  SPACE PML4, 1
  SHOW
  call newline
  ; operands: type, reserved bits for every type, canonical address for type 0 only
  TRY
  INVPCID 4, 1
  END
  TRY
  mov eax, 1
  bts rax, 32
  invpcid rax, [DESCRIPTOR]
  END
%assign type 0
%rep 4
  TRY
  INVPCID type, 0x1001
  END
  TRY
  INVPCID type, 1
  bts qword [DESCRIPTOR], 63
  invpcid rax, [DESCRIPTOR]
  END
  TRY
  INVPCID type, 1
  bts qword [DESCRIPTOR + 8], 63
  invpcid rax, [DESCRIPTOR]
  END
%assign type type + 1
%endrep
  call newline
%endif
  jmp end

; RBX address: logs what is read there and what code there returns, and writes what it has read
show:
  mov eax, [rbx]
  mov [rbx], eax
  call log64
  lea rax, [rbx + 8]
  call rax
  call log64
  ret

protection:
  mov al, 'G'
  out DEBUG_PORT, al
  mov al, ' '
  out DEBUG_PORT, al
  pop rax
  call log64
  mov rax, [RESUME]
  mov [rsp], rax
  iretq

  RESET_VECTOR

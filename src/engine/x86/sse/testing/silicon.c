/*
 * Answers what the host's own CPU does with an instruction: the truth that the
 * tests hold the MMX, SSE and AVX instructions against. Reads records from stdin and
 * writes each back as it stands after the instruction. RSI and RDI point to the
 * record's memory meanwhile; RSP is left alone.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct record {
	uint8_t code_length;
	uint8_t code[15];
	uint64_t trap;		/* 1 + vector of the exception, 0 if none */
	uint64_t flags;
	uint64_t general[16];
	uint8_t image[512] __attribute__((aligned(16)));	/* as FXSAVE64 stores it */
	uint8_t memory[128];
	uint8_t upper[16][16];	/* bits 255:128 of the YMM registers */
};

void run(struct record *record, void *memory, void *code);
extern char finish[];
/* Without it the tests leave AVX alone. */
uint8_t have_avx;

__asm__(".altmacro\n"
	".macro upper_in i\n vinsertf128 $1,800+16*\\i(%rdi),%ymm\\i,%ymm\\i\n.endm\n"
	".macro upper_out i\n vextractf128 $1,%ymm\\i,800+16*\\i(%rdi)\n.endm\n"
	".text\n"
	"run:	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	push %rdi; push %rdx\n"
	"	fxrstor64 160(%rdi)\n"
	"	testb $1,have_avx(%rip); jz 1f\n"
	"	i = 0; .rept 16; upper_in %i; i = i + 1; .endr\n"
	"1:\n"
	"	push 24(%rdi); popf\n"
	"	mov 32(%rdi),%rax; mov 40(%rdi),%rcx; mov 48(%rdi),%rdx; mov 56(%rdi),%rbx\n"
	"	mov 72(%rdi),%rbp\n"
	"	mov 96(%rdi),%r8; mov 104(%rdi),%r9; mov 112(%rdi),%r10; mov 120(%rdi),%r11\n"
	"	mov 128(%rdi),%r12; mov 136(%rdi),%r13; mov 144(%rdi),%r14; mov 152(%rdi),%r15\n"
	"	mov %rsi,%rdi\n"
	"	jmp *(%rsp)\n"
	"finish: push %rdi; mov 16(%rsp),%rdi\n"
	"	pushf; pop 24(%rdi)\n"
	"	mov %rax,32(%rdi); mov %rcx,40(%rdi); mov %rdx,48(%rdi); mov %rbx,56(%rdi)\n"
	"	mov %rbp,72(%rdi); mov %rsi,80(%rdi); pop 88(%rdi)\n"
	"	mov %r8,96(%rdi); mov %r9,104(%rdi); mov %r10,112(%rdi); mov %r11,120(%rdi)\n"
	"	mov %r12,128(%rdi); mov %r13,136(%rdi); mov %r14,144(%rdi); mov %r15,152(%rdi)\n"
	"	testb $1,have_avx(%rip); jz 1f\n"
	"	i = 0; .rept 16; upper_out %i; i = i + 1; .endr\n"
	"1:	fxsave64 160(%rdi)\n"
	"	fninit; cld; push $0x1f80; ldmxcsr (%rsp); pop %rax\n"
	"	pop %rdx; pop %rdi\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static volatile uint64_t trap;

static void caught(int signal, siginfo_t *info, void *context)
{
	ucontext_t *user = context;

	(void)signal;
	(void)info;
	trap = 1 + user->uc_mcontext.gregs[REG_TRAPNO];
	user->uc_mcontext.gregs[REG_RIP] = (uintptr_t)finish;
}

int main(void)
{
	static uint8_t memory[128] __attribute__((aligned(64)));
	struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
	struct record record;
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 2;
	have_avx = __builtin_cpu_supports("avx") != 0;
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	while (fread(&record, sizeof(record), 1, stdin) == 1) {
		uint8_t code[32];
		uintptr_t target = (uintptr_t)finish;
		unsigned int length = record.code_length;

		if (length > sizeof(record.code))
			return 3;
		memcpy(code, record.code, length);
		memcpy(code + length, "\xff\x25\0\0\0\0", 6);	/* jmp *0(%rip) */
		memcpy(code + length + 6, &target, 8);
		if (memcmp(page, code, length + 14) != 0)
			memcpy(page, code, length + 14);
		memcpy(memory, record.memory, sizeof(memory));
		trap = 0;
		run(&record, memory, page);
		record.trap = trap;
		memcpy(record.memory, memory, sizeof(memory));
		if (fwrite(&record, sizeof(record), 1, stdout) != 1)
			return 4;
	}
	return 0;
}

/*
 * Runs cases on the host's own CPU: the truth that the engine is compared with.
 *
 * Reads records (case.ts describes them) from stdin and writes each back as it stands behind its
 * instruction. The code region is full of HLT, so every case ends in an exception: its own, or the
 * #GP of the HLT that it comes to. The signal handler takes the whole state from the signal's
 * frame, puts the next case's state there and returns into it. So no code of ours runs between the
 * kernel and the instruction, and whatever a case leaves behind is overwritten.
 *
 * The layout (CODE, CODE_BYTES, DATA, DATA_BYTES, MEMORY), the size of batches and the segments of the local descriptor
 * table come by -D from silicon.ts.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define HLT 0xf4
#define NO_EXCEPTION 0xffffffffu
#define ENDLESS 0xfffffffeu
#define TICK_US 50000

enum { ES, CS, SS, DS, FS, GS };

struct record {
	uint8_t code[16];
	uint8_t length;
	uint8_t bits;
	uint16_t start;
	uint32_t vector;
	uint32_t error;
	uint32_t outside;
	uint64_t cr2;
	uint64_t rip;
	uint64_t rflags;
	uint64_t fs_base;
	uint64_t gs_base;
	uint16_t selectors[6];
	uint16_t reserved[6];
	uint64_t general[16];
	uint8_t reserved2[32];
	uint8_t image[832];	/* as XSAVE stores x87, SSE and AVX */
	uint8_t memory[MEMORY_BYTES];
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "case.ts says otherwise");

/* Of the kernel's frame: 4 = SS is to be loaded as it stands there. */
#define STRICT_SS 6
#define SOFTWARE_BYTES 464	/* of the image: from here the kernel's own, up to 512 */

static const int GENERAL[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
	REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static uint8_t *code_writable;
static uint8_t *const data = (uint8_t *)DATA;
static struct record batch[BATCH];
static struct record *current, *end;
static struct record *at_last_tick;
static int running;
static gregset_t own_general;
static uint8_t own_image[832];
static uint64_t own_fs, own_gs;

static inline uint64_t read_fs(void) { uint64_t v; __asm__ volatile("rdfsbase %0" : "=r"(v)); return v; }
static inline uint64_t read_gs(void) { uint64_t v; __asm__ volatile("rdgsbase %0" : "=r"(v)); return v; }
static inline void write_fs(uint64_t v) { __asm__ volatile("wrfsbase %0" : : "r"(v)); }
static inline void write_gs(uint64_t v) { __asm__ volatile("wrgsbase %0" : : "r"(v)); }

static void fill_code(const struct record *record, int clear)
{
	uint8_t *at = code_writable + record->start;

	for (unsigned int k = 0; k < record->length && record->start + k < CODE_BYTES; k++)
		at[k] = clear ? HLT : record->code[k];
}

static void begin(struct record *record, ucontext_t *user)
{
	greg_t *general = user->uc_mcontext.gregs;
	uint8_t *image = (uint8_t *)user->uc_mcontext.fpregs;
	uint16_t *s = record->selectors;

	fill_code(record, 0);
	memcpy(data + MEMORY, record->memory, MEMORY_BYTES);
	memcpy(image, record->image, SOFTWARE_BYTES);
	memset(image + 512, 0, 64);
	image[512] = 7;
	memcpy(image + 576, record->image + 576, 256);
	for (int k = 0; k < 16; k++)
		general[GENERAL[k]] = record->general[k];
	general[REG_RIP] = record->rip;
	general[REG_EFL] = record->rflags;
	general[REG_CSGSFS] = s[CS] | (uint64_t)s[SS] << 48;
	user->uc_flags |= STRICT_SS;
	__asm__ volatile("mov %0, %%es; mov %1, %%ds; mov %2, %%fs; mov %3, %%gs"
			 : : "r"((uint32_t)s[ES]), "r"((uint32_t)s[DS]), "r"((uint32_t)s[FS]),
			     "r"((uint32_t)s[GS]));
	/* A selector that is not null has loaded a base of its own. */
	if (s[FS] == 0)
		write_fs(record->fs_base);
	if (s[GS] == 0)
		write_gs(record->gs_base);
}

/* FNV-1a of what a case wrote to the data region outside its memory; 0 if nothing. */
static uint32_t outside(void)
{
	static const uint8_t zero[DATA_BYTES];
	uint32_t hash = 0x811c9dc5;

	memset(data + MEMORY, 0, MEMORY_BYTES);
	if (memcmp(data, zero, DATA_BYTES) == 0)
		return 0;
	for (unsigned int k = 0; k < DATA_BYTES; k++)
		hash = (hash ^ data[k]) * 0x01000193;
	memset(data, 0, DATA_BYTES);
	return hash;
}

static void finish(struct record *record, ucontext_t *user)
{
	greg_t *general = user->uc_mcontext.gregs;
	const uint8_t *image = (const uint8_t *)user->uc_mcontext.fpregs;
	uint16_t *s = record->selectors;
	uint32_t es, ds, fs, gs;
	uint64_t start = record->rip;
	uint64_t linear;

	__asm__ volatile("mov %%es, %0; mov %%ds, %1; mov %%fs, %2; mov %%gs, %3"
			 : "=r"(es), "=r"(ds), "=r"(fs), "=r"(gs));
	record->fs_base = read_fs();
	record->gs_base = read_gs();
	for (int k = 0; k < 16; k++)
		record->general[k] = general[GENERAL[k]];
	record->rip = general[REG_RIP];
	record->rflags = general[REG_EFL];
	s[ES] = es;
	s[CS] = general[REG_CSGSFS];
	s[SS] = (uint64_t)general[REG_CSGSFS] >> 48;
	s[DS] = ds;
	s[FS] = fs;
	s[GS] = gs;
	record->vector = general[REG_TRAPNO];
	record->error = general[REG_ERR];
	record->cr2 = record->vector == 14 ? general[REG_CR2] : 0;
	if (record->vector != 14 && !(record->vector >= 10 && record->vector <= 13))
		record->error = 0;
	/* The HLT that ends a case is no exception of its own. */
	linear = record->rip + (s[CS] & 4 ? CODE : 0) - CODE;
	if (record->vector == 13 && record->rip != start && linear < CODE_BYTES &&
	    code_writable[linear] == HLT)
		record->vector = NO_EXCEPTION;
	fill_code(record, 1);
	memcpy(record->memory, data + MEMORY, MEMORY_BYTES);
	record->outside = outside();
	memcpy(record->image, image, SOFTWARE_BYTES);
	memcpy(record->image + 576, image + 576, 256);
	/* Components in their initial state may be left out by the kernel. */
	if (!(image[512] & 1)) {
		memset(record->image, 0, 24);
		memset(record->image + 32, 0, 128);
		record->image[0] = 0x7f;
		record->image[1] = 3;
	}
	if (!(image[512] & 2))
		memset(record->image + 160, 0, 256);
	if (!(image[512] & 4))
		memset(record->image + 576, 0, 256);
}

static void caught(int signal, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	greg_t *general = user->uc_mcontext.gregs;

	(void)info;
	/* A case's AC would count here too. */
	__asm__ volatile("push $2; popf" : : : "memory", "cc");
	if (signal == SIGALRM) {
		/* The same case as a tick ago, and not ours: it runs in circles. */
		if (!running || current != at_last_tick) {
			at_last_tick = running ? current : NULL;
			user->uc_flags |= STRICT_SS;
			return;
		}
		general[REG_TRAPNO] = ENDLESS;
	}
	if (!running) {
		running = 1;
		own_fs = read_fs();
		own_gs = read_gs();
		memcpy(own_general, general, sizeof(own_general));
		memcpy(own_image, user->uc_mcontext.fpregs, SOFTWARE_BYTES);
		memcpy(own_image + 512, (uint8_t *)user->uc_mcontext.fpregs + 512, 320);
		own_general[REG_RIP]++;	/* behind the HLT */
	} else {
		finish(current++, user);
	}
	if (current < end) {
		begin(current, user);
		return;
	}
	running = 0;
	memcpy(general, own_general, sizeof(own_general));
	memcpy(user->uc_mcontext.fpregs, own_image, SOFTWARE_BYTES);
	memcpy((uint8_t *)user->uc_mcontext.fpregs + 512, own_image + 512, 320);
	user->uc_flags |= STRICT_SS;
	__asm__ volatile("mov %0, %%es; mov %0, %%ds; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
	write_fs(own_fs);
	write_gs(own_gs);
}

static void segment(int entry, uint32_t base, uint32_t limit, int code, int big)
{
	struct user_desc descriptor = { .entry_number = entry, .base_addr = base, .limit = limit,
					.seg_32bit = big, .contents = code ? 2 : 0 };

	if (syscall(SYS_modify_ldt, 0x11, &descriptor, sizeof(descriptor)) != 0)
		_exit(6);
}

static void move_all(int out, uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t done = out ? write(1, bytes, count) : read(0, bytes, count);

		if (done <= 0)
			_exit(out ? 4 : 5);
		bytes += done;
		count -= done;
	}
}

int main(void)
{
	static const int SIGNALS[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGALRM };
	struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } };
	struct sigaction action = { .sa_sigaction = caught,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART };
	stack_t stack = { .ss_size = 65536 };
	int file = memfd_create("code", 0);
	uint64_t count;

	if (!(getauxval(AT_HWCAP2) & 2))
		return 3;	/* no RDFSBASE */
	if (file < 0 || ftruncate(file, CODE_BYTES) != 0)
		return 2;
	code_writable = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mmap((void *)CODE, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 file, 0) != (void *)CODE ||
	    mmap(data, DATA_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != data ||
	    code_writable == MAP_FAILED)
		return 2;
	memset(code_writable, HLT, CODE_BYTES);
	LDT_SEGMENTS
	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&stack, NULL);
	sigaddset(&action.sa_mask, SIGALRM);
	for (unsigned int k = 0; k < sizeof(SIGNALS) / sizeof(SIGNALS[0]); k++)
		sigaction(SIGNALS[k], &action, NULL);
	/* One batch fits; smaller pipes only take longer. */
	fcntl(0, F_SETPIPE_SZ, 1 << 20);
	fcntl(1, F_SETPIPE_SZ, 1 << 20);
	setitimer(ITIMER_REAL, &tick, NULL);
	/* Batches: how many, then so many records; a count of 0 says goodbye. */
	for (;;) {
		move_all(0, (uint8_t *)&count, sizeof(count));
		if (count == 0 || count > BATCH)
			return count == 0 ? 0 : 7;
		move_all(0, (uint8_t *)batch, count * sizeof(batch[0]));
		current = batch;
		end = batch + count;
		__asm__ volatile("hlt" : : : "memory");
		move_all(1, (uint8_t *)batch, count * sizeof(batch[0]));
	}
}

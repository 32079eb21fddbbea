/*
 * Answers what the host's own x87 does: the truth that silicon.test.ts holds the
 * software FPU against. Reads records from stdin, writes one record for each.
 *
 * A record gives the whole FPU state as an FSAVE image, EFLAGS, memory at (%rsi)
 * and the instruction bytes; the answer is the same record after the instruction.
 * No exception is ever taken: they stay pending, and FNSAVE does not wait.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct record {
	uint8_t code_length;
	uint8_t code[15];
	uint64_t flags;
	uint64_t rax;
	uint8_t image[108];
	uint8_t memory[164];
};

static uint8_t memory[512] __attribute__((aligned(64)));

int main(void)
{
	static const uint8_t before[] = { 0xdd, 0x27, 0xff, 0x31, 0x9d };	/* frstor (%rdi); push (%rcx); popf */
	static const uint8_t after[] = {
		0x9c, 0x8f, 0x01,			/* pushf; pop (%rcx) */
		0x48, 0x89, 0x41, 0x08,			/* mov %rax, 8(%rcx) */
		0xdd, 0x32, 0xc3,			/* fnsave (%rdx); ret */
	};
	struct record record;
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 2;
	memcpy(page, before, sizeof(before));
	while (fread(&record, sizeof(record), 1, stdin) == 1) {
		uint8_t *at = page + sizeof(before);

		if (record.code_length > sizeof(record.code))
			return 3;
		if (memcmp(at, record.code, record.code_length) != 0 ||
		    memcmp(at + record.code_length, after, sizeof(after)) != 0) {
			memcpy(at, record.code, record.code_length);
			memcpy(at + record.code_length, after, sizeof(after));
		}
		memcpy(memory, record.memory, sizeof(record.memory));
		((void (*)(void *, void *, void *, void *))page)(
			record.image, memory, record.image, &record.flags);
		memcpy(record.memory, memory, sizeof(record.memory));
		if (fwrite(&record, sizeof(record), 1, stdout) != 1)
			return 4;
	}
	return 0;
}

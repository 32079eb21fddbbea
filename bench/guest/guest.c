/* SPDX-License-Identifier: Apache-2.0 */
/* The bare machine: command line in, console and exit status out. */
#include "guest.h"

#include "workload.h"

#define COM1 0x3f8
#define UART_LSR 5
#define LSR_THRE_TEMT 0x60

/* QEMU's isa-debug-exit */
#define DEBUG_EXIT 0xf4

struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower;
    uint32_t mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
};

static void put(char byte)
{
    while ((in8(COM1 + UART_LSR) & LSR_THRE_TEMT) != LSR_THRE_TEMT)
        ;
    out8(COM1, (uint8_t)byte);
}

void print(const char *text)
{
    while (*text)
        put(*text++);
}

void print_hex(uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

void finish(uint32_t status)
{
    for (;;)
        out32(DEBUG_EXIT, status);
}

/* The last words: QEMU puts the kernel's path before them. */
static void last_words(char *line, char **words, int count)
{
    char *end = line;
    while (*end)
        end++;
    while (count-- > 0) {
        while (end > line && end[-1] == ' ')
            *--end = 0;
        while (end > line && end[-1] != ' ')
            end--;
        words[count] = end;
    }
}

static uint64_t number(const char *digits)
{
    uint64_t value = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        value = value * 10 + (uint64_t)(*digits - '0');
    return value;
}

void guest_main(const struct multiboot_info *info)
{
    char *words[3];
    install_interrupts();
    last_words((char *)(uintptr_t)info->cmdline, words, 3);
    /* without a number of rounds that warm up the line is shorter */
    int with_warm = *words[1] >= '0' && *words[1] <= '9';
    const char *name = words[with_warm ? 0 : 1];
    uint64_t warm = with_warm ? number(words[1]) : 0, rounds = number(words[2]);
    int good = run_workload(compute_workloads, name, warm, rounds) ||
               run_workload(system_workloads, name, warm, rounds);
    finish(good ? 0 : 1);
}

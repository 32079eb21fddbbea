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

/* The last two words: QEMU puts the kernel's path before them. */
static void last_two_words(char *line, char *words[2])
{
    char *end = line;
    while (*end)
        end++;
    for (int k = 1; k >= 0; k--) {
        while (end > line && end[-1] == ' ')
            *--end = 0;
        while (end > line && end[-1] != ' ')
            end--;
        words[k] = end;
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
    char *words[2];
    install_interrupts();
    last_two_words((char *)(uintptr_t)info->cmdline, words);
    uint64_t rounds = number(words[1]);
    int good = run_workload(compute_workloads, words[0], rounds) ||
               run_workload(system_workloads, words[0], rounds);
    finish(good ? 0 : 1);
}

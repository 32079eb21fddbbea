/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/console.h"
#include "inmate/cmdline.h"
#include "inmate/comm.h"
#include "inmate/cpu.h"
#include "inmate/hypercall.h"
#include "inmate/string.h"
#include "format.h"
#include "uart.h"
#ifdef __x86_64__
#include "inmate/memory.h"
#endif

static bool to_uart, to_hypervisor;
static volatile bool locked;

void console_init(void)
{
    struct console_description console = cell_facts.console;
    char type[8];

    if (cmdline_string("con-type", type, sizeof type))
        console.type = strcmp(type, "8250") == 0 ? CONSOLE_8250 : 0;
    console.address = (uint64_t)cmdline_integer("con-base", (int64_t)console.address);
    console.divider = (uint32_t)cmdline_integer("con-divider", console.divider);
    bool is_mmio = cmdline_boolean("con-is-mmio", console.flags & CONSOLE_MMIO);
    bool is_narrow = cmdline_boolean("con-regdist-1", !(console.flags & CONSOLE_WIDE_REGISTERS));
    console.flags = (is_mmio ? CONSOLE_MMIO : 0) | (is_narrow ? 0 : CONSOLE_WIDE_REGISTERS);

    to_uart = console.type == CONSOLE_8250;
    if (to_uart) {
#ifdef __x86_64__
        if (is_mmio)
            memory_map(console.address, 32, MEMORY_UNCACHED);
#endif
        uart_init(&console);
    }
    to_hypervisor = cell_facts.console_hypercall_allowed &&
                    cmdline_boolean("con-virtual", cell_facts.console_hypercall_wanted);
}

static void put(struct format_output *output, char character)
{
    (void)output;
    if (to_uart) {
        if (character == '\n')
            uart_put('\r');
        uart_put(character);
    }
    if (to_hypervisor) /* which adds the CR itself */
        hypercall(HYPERCALL_CONSOLE_PUT, (unsigned char)character, 0);
}

int vprintf(const char *format, va_list arguments)
{
    struct format_output output = {.put = put};
    bool interrupts = cpu_save_interrupts();

    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
        cpu_relax();
    format_text(&output, format, arguments);
    __atomic_clear(&locked, __ATOMIC_RELEASE);
    cpu_restore_interrupts(interrupts);
    return (int)output.length;
}

int printf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vprintf(format, arguments);
    va_end(arguments);
    return length;
}

void console_take_over(void)
{
    __atomic_clear(&locked, __ATOMIC_RELEASE);
}

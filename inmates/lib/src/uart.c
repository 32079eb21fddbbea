/* SPDX-License-Identifier: Apache-2.0 */
#include "uart.h"
#include "inmate/cpu.h"
#include "inmate/mmio.h"

#define TRANSMIT 0
#define DIVISOR_LOW 0
#define DIVISOR_HIGH 1
#define LINE_CONTROL 3
#define LINE_CONTROL_8N1 0x03
#define LINE_CONTROL_DIVISOR_ACCESS 0x80
#define LINE_STATUS 5
#define LINE_STATUS_TRANSMIT_EMPTY 0x20

static struct console_description uart;

static uint8_t read_register(unsigned index)
{
    bool wide = uart.flags & CONSOLE_WIDE_REGISTERS;
    uintptr_t address = (uintptr_t)uart.address + (wide ? index * 4 : index);

    if (!(uart.flags & CONSOLE_MMIO))
        return port_read8((uint16_t)address);
    return wide ? (uint8_t)mmio_read32((void *)address) : mmio_read8((void *)address);
}

static void write_register(unsigned index, uint8_t value)
{
    bool wide = uart.flags & CONSOLE_WIDE_REGISTERS;
    uintptr_t address = (uintptr_t)uart.address + (wide ? index * 4 : index);

    if (!(uart.flags & CONSOLE_MMIO))
        port_write8((uint16_t)address, value);
    else if (wide)
        mmio_write32((void *)address, value);
    else
        mmio_write8((void *)address, value);
}

void uart_init(const struct console_description *description)
{
    uart = *description;
    if (uart.divider == 0)
        return;
    write_register(LINE_CONTROL, LINE_CONTROL_DIVISOR_ACCESS);
    write_register(DIVISOR_LOW, uart.divider & 0xff);
    write_register(DIVISOR_HIGH, (uart.divider >> 8) & 0xff);
    write_register(LINE_CONTROL, LINE_CONTROL_8N1);
}

void uart_put(char character)
{
    while (!(read_register(LINE_STATUS) & LINE_STATUS_TRANSMIT_EMPTY))
        cpu_relax();
    write_register(TRANSMIT, (uint8_t)character);
}

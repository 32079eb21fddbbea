/* SPDX-License-Identifier: Apache-2.0 */
/* An 8250-compatible UART, transmit only. */
#ifndef UART_H
#define UART_H

#include "inmate/comm.h"

/* Remembers where the UART is; programs it only if the description has a divider. */
void uart_init(const struct console_description *description);

/* Waits until there is room, then sends. */
void uart_put(char character);

#endif

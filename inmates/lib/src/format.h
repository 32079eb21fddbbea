/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting behind printf() and snprintf(). */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stddef.h>

struct format_output {
    void (*put)(struct format_output *output, char character);
    size_t length; /* characters put so far */
    char *buffer;  /* for snprintf() */
    size_t size;
};

void format_text(struct format_output *output, const char *format, va_list arguments);

#endif

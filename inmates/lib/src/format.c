/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"
#include "inmate/console.h"
#include "inmate/string.h"

#include <stdbool.h>
#include <stdint.h>

/* One conversion specification, from % to its letter. */
struct conversion {
    bool left, zeros;
    unsigned width;
    bool has_precision;
    unsigned precision;
    enum { SIZE_INT, SIZE_LONG, SIZE_LONG_LONG } size;
};

/* Divides in place and returns the remainder. 32-bit code has no instruction for it, nor a libgcc. */
static unsigned divide(uint64_t *value, unsigned divisor)
{
#ifdef __x86_64__
    unsigned remainder = (unsigned)(*value % divisor);
    *value /= divisor;
    return remainder;
#else
    uint32_t high = (uint32_t)(*value >> 32), low = (uint32_t)*value;
    uint32_t remainder = high % divisor;
    __asm__("divl %2" : "+a"(low), "+d"(remainder) : "r"(divisor) : "cc");
    *value = (uint64_t)(high / divisor) << 32 | low;
    return remainder;
#endif
}

static void put(struct format_output *output, char character)
{
    output->put(output, character);
    output->length++;
}

static void put_repeated(struct format_output *output, char character, size_t count)
{
    while (count-- > 0)
        put(output, character);
}

/* Prefix (sign or 0x) and body, padded to the width. */
static void put_field(struct format_output *output, const struct conversion *conversion, const char *prefix,
                      const char *body, size_t body_length)
{
    size_t prefix_length = strlen(prefix);
    size_t length = prefix_length + body_length;
    size_t padding = conversion->width > length ? conversion->width - length : 0;

    if (!conversion->left && !conversion->zeros)
        put_repeated(output, ' ', padding);
    for (size_t i = 0; i < prefix_length; i++)
        put(output, prefix[i]);
    if (!conversion->left && conversion->zeros)
        put_repeated(output, '0', padding);
    for (size_t i = 0; i < body_length; i++)
        put(output, body[i]);
    if (conversion->left)
        put_repeated(output, ' ', padding);
}

static void put_number(struct format_output *output, const struct conversion *conversion, const char *prefix,
                       uint64_t value, unsigned base, bool upper_case)
{
    const char *digit = upper_case ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[20]; /* 2^64 - 1 has 20 decimal digits */
    unsigned first = sizeof digits;

    do
        digits[--first] = digit[divide(&value, base)];
    while (value != 0);
    put_field(output, conversion, prefix, digits + first, sizeof digits - first);
}

static int64_t signed_argument(const struct conversion *conversion, va_list *arguments)
{
    switch (conversion->size) {
    case SIZE_LONG_LONG:
        return va_arg(*arguments, long long);
    case SIZE_LONG:
        return va_arg(*arguments, long);
    default:
        return va_arg(*arguments, int);
    }
}

static uint64_t unsigned_argument(const struct conversion *conversion, va_list *arguments)
{
    switch (conversion->size) {
    case SIZE_LONG_LONG:
        return va_arg(*arguments, unsigned long long);
    case SIZE_LONG:
        return va_arg(*arguments, unsigned long);
    default:
        return va_arg(*arguments, unsigned);
    }
}

static unsigned parse_number(const char **format)
{
    unsigned number = 0;

    while (**format >= '0' && **format <= '9')
        number = number * 10 + (unsigned)(*(*format)++ - '0');
    return number;
}

/* Flags, width, precision and length modifiers; leaves the format at the conversion's letter. */
static struct conversion parse_conversion(const char **format)
{
    struct conversion conversion = {0};

    for (;; (*format)++) {
        if (**format == '0')
            conversion.zeros = true;
        else if (**format == '-')
            conversion.left = true;
        else
            break;
    }
    conversion.width = parse_number(format);
    if (**format == '.') {
        (*format)++;
        conversion.has_precision = true;
        conversion.precision = parse_number(format);
    }
    if (**format == 'z') {
        conversion.size = SIZE_LONG;
        (*format)++;
    }
    for (; **format == 'l'; (*format)++)
        conversion.size = conversion.size == SIZE_INT ? SIZE_LONG : SIZE_LONG_LONG;
    return conversion;
}

static void put_string(struct format_output *output, const struct conversion *conversion, const char *text)
{
    size_t length = 0;

    if (!text)
        text = "(null)";
    while ((!conversion->has_precision || length < conversion->precision) && text[length] != '\0')
        length++;
    put_field(output, conversion, "", text, length);
}

void format_text(struct format_output *output, const char *format, va_list caller_arguments)
{
    va_list arguments;
    va_copy(arguments, caller_arguments);

    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(output, *format);
            continue;
        }
        const char *start = format++;
        struct conversion conversion = parse_conversion(&format);
        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = signed_argument(&conversion, &arguments);
            bool negative = value < 0;
            put_number(output, &conversion, negative ? "-" : "",
                       negative ? 0 - (uint64_t)value : (uint64_t)value, 10, false);
            break;
        }
        case 'u':
            put_number(output, &conversion, "", unsigned_argument(&conversion, &arguments), 10, false);
            break;
        case 'x':
        case 'X':
            put_number(output, &conversion, "", unsigned_argument(&conversion, &arguments), 16, *format == 'X');
            break;
        case 'p':
            conversion = (struct conversion){.zeros = true, .width = 2 + 2 * sizeof(void *)};
            put_number(output, &conversion, "0x", (uintptr_t)va_arg(arguments, void *), 16, false);
            break;
        case 'c': {
            char character = (char)va_arg(arguments, int);
            conversion.zeros = false;
            put_field(output, &conversion, "", &character, 1);
            break;
        }
        case 's':
            conversion.zeros = false;
            put_string(output, &conversion, va_arg(arguments, const char *));
            break;
        case '%':
            put(output, '%');
            break;
        default: /* not a conversion: show it as it stands */
            while (start < format)
                put(output, *start++);
            if (*format == '\0')
                format--;
            else
                put(output, *format);
            break;
        }
    }
    va_end(arguments);
}

static void put_to_buffer(struct format_output *output, char character)
{
    if (output->length + 1 < output->size)
        output->buffer[output->length] = character;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct format_output output = {.put = put_to_buffer, .buffer = buffer, .size = size};

    format_text(&output, format, arguments);
    if (size > 0)
        buffer[output.length < size ? output.length : size - 1] = '\0';
    return (int)output.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

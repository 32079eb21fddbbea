/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/cmdline.h"
#include "inmate/string.h"
#include "start.h"

/* A value inside the command line; it ends at a blank or at the end of the text. */
struct value {
    const char *text; /* null: no such word */
    size_t length;
};

static struct value find(const char *name)
{
    size_t name_length = strlen(name);
    const char *word = command_line;

    for (;;) {
        while (*word == ' ')
            word++;
        if (*word == '\0')
            return (struct value){0};

        const char *end = word;
        while (*end != ' ' && *end != '\0')
            end++;
        size_t length = (size_t)(end - word);
        if (length >= name_length && memcmp(word, name, name_length) == 0) {
            if (length == name_length)
                return (struct value){end, 0};
            if (word[name_length] == '=')
                return (struct value){word + name_length + 1, length - name_length - 1};
        }
        word = end;
    }
}

static bool equals(struct value value, const char *text)
{
    return value.length == strlen(text) && memcmp(value.text, text, value.length) == 0;
}

bool cmdline_string(const char *name, char *buffer, size_t size)
{
    struct value value = find(name);
    size_t length = value.length < size ? value.length : size - 1;

    memcpy(buffer, value.text, length);
    buffer[length] = '\0';
    return value.text != NULL;
}

static int digit(char character, unsigned base)
{
    int value = character >= '0' && character <= '9'   ? character - '0'
                : character >= 'a' && character <= 'f' ? character - 'a' + 10
                : character >= 'A' && character <= 'F' ? character - 'A' + 10
                                                       : -1;
    return value < (int)base ? value : -1;
}

int64_t cmdline_integer(const char *name, int64_t otherwise)
{
    struct value value = find(name);
    size_t i = 0;
    unsigned base = 10;
    bool negative = false;
    uint64_t number = 0;

    if (value.length > 2 && value.text[0] == '0' && (value.text[1] | 0x20) == 'x') {
        base = 16;
        i = 2;
    } else if (value.length > 1 && (value.text[0] == '-' || value.text[0] == '+')) {
        negative = value.text[0] == '-';
        i = 1;
    }
    if (i == value.length)
        return otherwise;
    for (; i < value.length; i++) {
        int next = digit(value.text[i], base);
        if (next < 0)
            return otherwise;
        number = number * base + (unsigned)next;
    }
    return (int64_t)(negative ? 0 - number : number);
}

bool cmdline_boolean(const char *name, bool otherwise)
{
    struct value value = find(name);

    if (!value.text)
        return otherwise;
    if (value.length == 0 || equals(value, "1") || equals(value, "true"))
        return true;
    if (equals(value, "0") || equals(value, "false"))
        return false;
    return otherwise;
}

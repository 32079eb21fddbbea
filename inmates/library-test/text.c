/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

static void check_format(const char *expected, const char *format, ...)
{
    char text[64];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bool passed = strcmp(text, expected) == 0 && length == (int)strlen(expected);
    check(passed, expected);
    if (!passed)
        printf("       is \"%s\", length %d\n", text, length);
}

static void test_format(void)
{
    char small[5];

    check_format("plain", "plain");
    check_format("-2147483648", "%d", -2147483647 - 1);
    check_format("4294967295", "%u", 0xffffffffu);
    check_format("18446744073709551615", "%lu", 0xfffffffffffffffful);
    check_format("-9223372036854775808", "%lld", -0x7fffffffffffffffll - 1);
    check_format("[   42]", "[%5d]", 42);
    check_format("[00042]", "[%05d]", 42);
    check_format("[-0042]", "[%05d]", -42);
    check_format("[42   ]", "[%-5d]", 42);
    check_format("[123456]", "[%3d]", 123456);
    check_format("beef BEEF 00ff", "%x %X %04x", 0xbeef, 0xbeef, 0xff);
    check_format("0x0000000000100000", "%p", (void *)0x100000);
    check_format("[ab][   ab][ab   ][a]", "[%s][%5s][%-5s][%.1s]", "ab", "ab", "ab", "ab");
    check_format("(null) c 100%", "%s %c 100%%", (char *)NULL, 'c');
    check_format("%q stays", "%q stays");

    int length = snprintf(small, sizeof small, "%s", "too long");
    check(length == 8 && strcmp(small, "too ") == 0, "snprintf truncates");
}

static void test_string(void)
{
    char bytes[8];

    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "abcdef", 7);
    check(memcmp(bytes, "abcdef\0x", 8) == 0, "memset, memcpy");
    memmove(bytes + 2, bytes, 5);
    check(memcmp(bytes, "ababcdex", 8) == 0, "memmove upwards");
    memmove(bytes, bytes + 2, 5);
    check(memcmp(bytes, "abcdedex", 8) == 0, "memmove downwards");
    check(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("", "") == 0, "strcmp");
    check(strncmp("abc", "abd", 2) == 0 && strncmp("abc", "abd", 3) < 0, "strncmp");
    check(strcmp("\xff", "a") > 0, "strcmp compares unsigned");
}

static void test_command_line(void)
{
    char value[4];

    if (!cmdline_boolean("text", false) && !cmdline_string("text", value, sizeof value)) {
        printf("       command line is empty, not checked\n");
        return;
    }
    check(cmdline_string("text", value, sizeof value) && strcmp(value, "lon") == 0, "string, truncated");
    check(!cmdline_string("tex", value, sizeof value) && value[0] == '\0', "a longer name is another name");
    check(cmdline_integer("negative", 0) == -12, "negative integer");
    check(cmdline_integer("hex", 0) == 0x1234abcdef, "hexadecimal integer");
    check(cmdline_integer("bad", 7) == 7 && cmdline_integer("missing", 7) == 7, "default of an integer");
    check(cmdline_boolean("flag", false), "boolean without value");
    check(!cmdline_boolean("off", true) && cmdline_boolean("on", false), "boolean with value");
    check(cmdline_boolean("missing", true) && cmdline_boolean("bad", true), "default of a boolean");
}

void test_text(void)
{
    test_format();
    test_string();
    test_command_line();
}

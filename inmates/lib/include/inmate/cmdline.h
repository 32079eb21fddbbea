/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The command line: up to 255 characters that the loader puts at 0x1000 (images that start at the
 * reset vector: 0xf0000). Words are separated by blanks; a word is NAME or NAME=VALUE. The first word
 * with a matching name counts.
 */
#ifndef INMATE_CMDLINE_H
#define INMATE_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Copies the value of `name` to `value` (at most size - 1 characters and a NUL).
 * @return false, and an empty string, if the name is missing
 */
bool cmdline_string(const char *name, char *value, size_t size);

/** Decimal with optional sign, or hexadecimal after 0x; `otherwise` if missing or anything else. */
int64_t cmdline_integer(const char *name, int64_t otherwise);

/** NAME, NAME=1 and NAME=true are true; NAME=0 and NAME=false are false; else `otherwise`. */
bool cmdline_boolean(const char *name, bool otherwise);

#endif

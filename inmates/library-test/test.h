/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_H
#define TEST_H

#include "inmate.h"

/** Prints and counts one result. */
void check(bool passed, const char *what);

/** Printing, strings, command line. */
void test_text(void);

/** Time, interrupts, timers, memory, floating point, CPUs. */
void test_machine(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests the inmate library inside a cell: one line a check, then the sum. The state becomes shut down
 * if all passed, failed if not.
 *
 * Command line: what the checks of the command line expect is in cell.ts and text.c; besides
 *   fault  ends in an invalid instruction, to see the report of an exception
 */
#include "test.h"

static unsigned passed_count, failed_count;

void check(bool passed, const char *what)
{
    printf("%s %s\n", passed ? "ok    " : "FAILED", what);
    if (passed)
        passed_count++;
    else
        failed_count++;
}

void inmate_main(void)
{
    test_text();
    test_machine();
    printf("%u passed, %u failed\n", passed_count, failed_count);
    if (cmdline_boolean("fault", false))
        __asm__ volatile("ud2" : : "a"(0x1234), "c"(0x5678));
    comm_set_state(failed_count == 0 ? CELL_SHUT_DOWN : CELL_FAILED);
}

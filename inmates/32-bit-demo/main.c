/* SPDX-License-Identifier: Apache-2.0 */
/* An inmate in 32-bit protected mode: EFER shows that long mode was never entered. */
#include "inmate.h"

void inmate_main(void)
{
    printf("This runs in 32-bit mode (EFER: %llx)\n", msr_read(MSR_EFER));
}

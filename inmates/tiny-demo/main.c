/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest useful inmate: it says hello and prints the PM timer ten times, once a second. */
#include "inmate.h"

void inmate_main(void)
{
    printf("Hello from this tiny cell!\n");
    for (int second = 0; second < 10; second++) {
        delay_us(1000 * 1000);
        printf("PM Timer: %11lu\n", pm_timer_ns());
    }
}

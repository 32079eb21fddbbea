/* SPDX-License-Identifier: Apache-2.0 */
/* What runs on the boot CPU between boot.S and the inmate. */
#include "inmate.h"
#include "start.h"

void inmate_boot(void)
{
#ifdef INMATE_SSE_AT_BOOT
    inmate_enable_sse();
#endif
    comm_init();
    console_init();
    inmate_main();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/sse.h"
#include "inmate/cpu.h"
#include "sse_state.h"

/* Control words after reset of the units: everything masked, round to nearest. */
#define MXCSR_DEFAULT 0x1f80u

bool sse_in_use;

bool inmate_enable_sse(void)
{
    uint32_t features = cpuid(1, 0).edx;
    uint32_t mxcsr = MXCSR_DEFAULT;

    if (!(features & CPUID_1_EDX_FXSR) || !(features & CPUID_1_EDX_SSE2))
        return false;

    cr0_write(cr0_read() & ~(CR0_EM | CR0_TS));
    cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
    sse_in_use = true;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers in single precision: second-order filters in a row and a limiter, one sample after another. */
#include "compute.h"

#define SAMPLES 3000
#define SECTIONS 4

struct section {
    float b0, b1, b2, a1, a2, s1, s2;
};

uint64_t filter_round(void)
{
    struct section sections[SECTIONS];
    uint64_t state = 23;
    uint32_t limited = 0;
    union {
        float value;
        uint32_t bits;
    } sum = {0.0f};
    for (int k = 0; k < SECTIONS; k++)
        sections[k] = (struct section){0.2f, 0.4f, 0.2f, -0.3f - 0.05f * (float)k, 0.1f, 0, 0};
    for (int k = 0; k < SAMPLES; k++) {
        float x = (float)(int32_t)(next_random(&state) & 0xffff) / 32768.0f - 1.0f;
        for (int j = 0; j < SECTIONS; j++) {
            struct section *s = &sections[j];
            float y = s->b0 * x + s->s1;
            s->s1 = s->b1 * x - s->a1 * y + s->s2;
            s->s2 = s->b2 * x - s->a2 * y;
            x = y;
        }
        if (x > 0.25f) {
            x = 0.25f;
            limited++;
        }
        sum.value = sum.value * 0.875f + x;
    }
    return (uint64_t)limited << 32 | sum.bits;
}

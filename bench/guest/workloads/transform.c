/* SPDX-License-Identifier: Apache-2.0 */
/* Points by matrices of 4 x 4 floats, and made as long as one: shuffles, sums across, square roots. */
#include "compute.h"

#define POINTS 256
#define TURNS 16

typedef float floats __attribute__((vector_size(16)));

static floats points[POINTS];

static floats all(floats v, int lane)
{
    switch (lane) {
    case 0:
        return __builtin_shufflevector(v, v, 0, 0, 0, 0);
    case 1:
        return __builtin_shufflevector(v, v, 1, 1, 1, 1);
    case 2:
        return __builtin_shufflevector(v, v, 2, 2, 2, 2);
    default:
        return __builtin_shufflevector(v, v, 3, 3, 3, 3);
    }
}

static float dot(floats a, floats b)
{
    floats product = a * b;
    floats pairs = product + __builtin_shufflevector(product, product, 2, 3, 0, 1);
    floats total = pairs + __builtin_shufflevector(pairs, pairs, 1, 0, 3, 2);
    return total[0];
}

uint64_t transform_round(void)
{
    const floats rows[4] = {
        {0.8f, -0.6f, 0.0f, 0.0f},
        {0.6f, 0.8f, 0.1f, 0.0f},
        {0.0f, 0.2f, 0.9f, 0.0f},
        {0.5f, -0.25f, 0.125f, 1.0f},
    };
    uint64_t sum = 0;
    for (int k = 0; k < POINTS; k++)
        points[k] = (floats){(float)(k % 17) - 8.0f, (float)(k % 5) - 2.0f, (float)(k % 29) * 0.25f, 1.0f};
    for (int turn = 0; turn < TURNS; turn++)
        for (int k = 0; k < POINTS; k++) {
            floats p = points[k];
            floats moved = rows[0] * all(p, 0) + rows[1] * all(p, 1) + rows[2] * all(p, 2) + rows[3] * all(p, 3);
            float length = __builtin_sqrtf(dot(moved, moved));
            points[k] = moved / (floats){length, length, length, length};
        }
    for (int k = 0; k < POINTS; k++) {
        union {
            float value;
            uint32_t bits;
        } x = {points[k][0]}, z = {points[k][2]};
        sum = sum * 31 + x.bits + z.bits;
    }
    return sum;
}

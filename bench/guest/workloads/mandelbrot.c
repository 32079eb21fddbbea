/* SPDX-License-Identifier: Apache-2.0 */
/* The Mandelbrot set, four points at once in single precision: vectors of floats, comparisons, masks. */
#include "compute.h"

#define SIDE 32
#define STEPS 48

typedef float floats __attribute__((vector_size(16)));
typedef int32_t integers __attribute__((vector_size(16)));

uint64_t mandelbrot_round(void)
{
    uint64_t sum = 0;
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column += 4) {
            float y0 = (float)row * (2.5f / SIDE) - 1.25f, x0 = (float)column * (3.0f / SIDE) - 2.25f;
            floats cx = {x0, x0 + 3.0f / SIDE, x0 + 6.0f / SIDE, x0 + 9.0f / SIDE};
            floats cy = {y0, y0, y0, y0}, x = cx, y = cy;
            integers count = {0};
            for (int k = 0; k < STEPS; k++) {
                floats xx = x * x, yy = y * y;
                integers inside = xx + yy < 4.0f;
                count -= inside;
                floats next = xx - yy + cx;
                y = (x + x) * y + cy;
                /* outside it stays where it is: no infinities, which take other ways */
                x = (floats)(((integers)next & inside) | ((integers)x & ~inside));
                y = (floats)((integers)y & inside);
            }
            for (int lane = 0; lane < 4; lane++)
                sum = sum * 31 + (uint32_t)count[lane];
        }
    return sum;
}

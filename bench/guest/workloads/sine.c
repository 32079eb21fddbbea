/* SPDX-License-Identifier: Apache-2.0 */
/* Sines by a polynomial: double multiplications, additions and conversions. */
#include "compute.h"

#define VALUES 3000
#define STEP 0.0137

static const double pi = 3.14159265358979323846;

/* Taylor's series to the 15th power after taking off multiples of pi. */
static double sine(double x)
{
    int64_t turns = (int64_t)(x / pi + (x < 0 ? -0.5 : 0.5));
    double y = x - (double)turns * pi;
    double square = y * y;
    double sum = -1.0 / 1307674368000;
    sum = sum * square + 1.0 / 6227020800;
    sum = sum * square - 1.0 / 39916800;
    sum = sum * square + 1.0 / 362880;
    sum = sum * square - 1.0 / 5040;
    sum = sum * square + 1.0 / 120;
    sum = sum * square - 1.0 / 6;
    sum = (sum * square + 1.0) * y;
    return turns & 1 ? -sum : sum;
}

uint64_t sine_round(void)
{
    union {
        double value;
        uint64_t bits;
    } sum = {0.0};
    for (int k = 0; k < VALUES; k++)
        sum.value += sine((k - VALUES / 2) * STEP + 0.25);
    return sum.bits;
}
